//! The door: who gets in, who counts, and when a place is free again.

use std::{net::IpAddr, sync::Arc};

use sockgate::{
    net::accept::{Door, Pass, TurnedAway, accept_loop},
    telemetry::Metrics,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::support::soon;

fn door(total: usize, per_address: usize) -> Arc<Door> {
    Arc::new(Door::new(total, per_address, vec!["10.0.0.0/8".parse().unwrap()], Arc::default()))
}

fn admit(door: &Arc<Door>, address: &str) -> Result<Pass, TurnedAway> {
    door.admit(address.parse().unwrap())
}

#[test]
fn an_address_has_so_many_places_and_gets_them_back() {
    let door = door(100, 2);
    let first = admit(&door, "192.0.2.1").unwrap();
    let _second = admit(&door, "192.0.2.1").unwrap();
    assert_eq!(admit(&door, "192.0.2.1").err(), Some(TurnedAway::Address));
    assert!(admit(&door, "192.0.2.2").is_ok(), "another address is another matter");

    drop(first);
    assert!(admit(&door, "192.0.2.1").is_ok());
}

#[test]
fn the_total_counts_everybody_and_nobody_who_was_turned_away() {
    let door = door(3, 1);
    let all: Vec<_> = ["192.0.2.1", "192.0.2.2", "10.0.0.1"].into_iter().map(|address| admit(&door, address).unwrap()).collect();
    for _ in 0..10 {
        assert_eq!(admit(&door, "192.0.2.3").err(), Some(TurnedAway::Total));
    }
    assert_eq!(door.inside(), 3);
    drop(all);
    assert_eq!(door.inside(), 0);
    assert!(admit(&door, "192.0.2.1").is_ok(), "its own place is free too");
}

#[test]
fn addresses_of_one_customer_count_together() {
    let door = door(100, 1);
    for (first, same, other) in
        [("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"), ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2")]
    {
        let _first = admit(&door, first).unwrap();
        assert_eq!(admit(&door, same).err(), Some(TurnedAway::Address), "{same}");
        assert!(admit(&door, other).is_ok(), "{other}");
    }
}

#[test]
fn exempt_addresses_and_a_limit_of_zero_have_no_limit() {
    let limited = door(100, 1);
    let exempt: Vec<_> = (0..50).map(|_| admit(&limited, "10.1.2.3").unwrap()).collect();
    assert_eq!(exempt.len(), 50);
    let unlimited = door(100, 0);
    let many: Vec<_> = (0..100).map(|_| admit(&unlimited, "192.0.2.1").unwrap()).collect();
    assert_eq!(many.len(), 100);
}

#[test]
fn behind_a_balancer_a_place_counts_for_the_client() {
    let door = door(100, 1);
    let client: IpAddr = "192.0.2.1".parse().unwrap();
    let mut first = admit(&door, "10.0.0.1").unwrap();
    first.belongs_to(client).unwrap();

    let mut second = admit(&door, "10.0.0.1").unwrap();
    assert_eq!(second.belongs_to(client), Err(TurnedAway::Address));
    drop(second);

    drop(first);
    let mut third = admit(&door, "10.0.0.1").unwrap();
    third.belongs_to(client).unwrap();
    third.belongs_to(client).unwrap();
    drop(third);
    assert_eq!(door.inside(), 0);
    assert!(admit(&door, "192.0.2.1").is_ok());
}

#[test]
fn without_a_number_the_file_limit_bounds_the_total() {
    let door = Arc::new(Door::new(0, 0, Vec::new(), Arc::default()));
    assert!(admit(&door, "192.0.2.1").is_ok());
}

#[tokio::test]
async fn who_is_turned_away_is_closed_and_counted_and_the_loop_stops_when_told() {
    let metrics = Arc::new(Metrics::default());
    let door = Arc::new(Door::new(100, 1, Vec::new(), metrics.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (told, mut hears) = mpsc::unbounded_channel();
    let accepting = tokio::spawn(accept_loop(listener, door.clone(), stop.clone(), move |tcp, from, pass| {
        let _ = told.send((tcp, from, pass));
    }));

    let client = TcpStream::connect(address).await.unwrap();
    let (tcp, from, pass) = soon("a connection is handed over", hears.recv()).await.unwrap();
    assert_eq!(from, client.local_addr().unwrap());
    assert!(tcp.nodelay().unwrap());
    assert_eq!(metrics.connections.get(), 1);

    let mut second = TcpStream::connect(address).await.unwrap();
    let end = soon("the second is closed", second.read(&mut [0; 1])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert_eq!(metrics.turned_away.get_or_create_owned(&[("cause", "address")]).get(), 1);

    drop(pass);
    assert_eq!(metrics.connections.get(), 0);
    let _third = TcpStream::connect(address).await.unwrap();
    soon("a place is free again", hears.recv()).await.unwrap();
    assert_eq!(metrics.accepted.get(), 2);

    stop.cancel();
    soon("accepting stops", accepting).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
