//! Packets that wait for their polling body: 16 at most, in order, binary events whole, our own words only where they may stand.

use proptest::{collection::vec, prelude::*};
use sockgate::relay::{
    guard::Message,
    judged::{bounds, queue::Queue},
};

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

fn queue(messages: &[Message]) -> Queue {
    let mut queue = Queue::default();
    for message in messages {
        queue.push(message.clone(), usize::MAX).expect("there is room");
    }
    queue
}

fn bodies(mut queue: Queue, largest: usize) -> Vec<String> {
    std::iter::from_fn(|| queue.next_body(largest)).map(|body| String::from_utf8(body).expect("text")).collect()
}

#[test]
fn bodies_have_sixteen_packets_at_most() {
    let messages: Vec<Message> = (0..33).map(|number| text(&format!("42[{number}]"))).collect();
    let counts: Vec<usize> = bodies(queue(&messages), usize::MAX).iter().map(|body| body.split('\u{1e}').count()).collect();
    assert_eq!(counts, [16, 16, 1]);
}

#[test]
fn bodies_are_as_large_as_the_other_side_takes() {
    let messages = [text("42[1]"), text("42[2]"), text(&"4".repeat(50)), text("42[3]")];
    assert_eq!(bodies(queue(&messages), 12), ["42[1]\u{1e}42[2]", &"4".repeat(50), "42[3]"]);
}

#[test]
fn attachments_stay_with_their_event() {
    let mut messages = vec![text("42[1]"); 15];
    messages.extend([text("452-[\"b\"]"), Message::Binary(vec![1, 2, 3]), Message::Binary(vec![4]), text("42[2]")]);
    let bodies = bodies(queue(&messages), usize::MAX);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[1], "452-[\"b\"]\u{1e}bAQID\u{1e}bBA==\u{1e}42[2]");
}

#[test]
fn our_own_words_wait_until_they_may_stand() {
    let mut queue = queue(&[text("451-[\"b\"]")]);
    queue.push_aside(text("42[\"ours\"]")).expect("there is room");
    queue.push(Message::Binary(vec![1]), usize::MAX).expect("there is room");
    queue.settle();
    assert_eq!(bodies(queue, usize::MAX), ["451-[\"b\"]\u{1e}bAQ==\u{1e}42[\"ours\"]"]);
}

#[test]
fn who_takes_nothing_is_not_waited_for_for_ever() {
    let mut queue = Queue::default();
    let words = text(&"4".repeat(1000));
    let kept = (0..100_000).take_while(|_| queue.push_aside(words.clone()).is_ok()).count();
    assert!((1000..10_000).contains(&kept), "{kept}");
    assert_eq!(queue.take_all().len(), kept);
    queue.push_aside(words).expect("there is room again");
}

#[test]
fn our_words_find_room_beside_large_packets() {
    let mut queue = Queue::default();
    queue.push(text(&"4".repeat(6_000_000)), usize::MAX).expect("one is never too many");
    queue.push_aside(text("42[\"ours\"]")).expect("it is short");
}

#[test]
fn packets_wait_up_to_a_bound() {
    let most = bounds::of_queue(1_000_000);
    let mut queue = Queue::default();
    let packet = text(&"4".repeat(1_000_000));
    let kept = (0..1_000).take_while(|_| queue.push(packet.clone(), most).is_ok()).count();
    assert!((32..40).contains(&kept), "{kept}");
    assert!(queue.next_body(usize::MAX).is_some());
    queue.push(packet, most).expect("there is room again");
}

#[test]
fn bounds_follow_the_largest_message() {
    for max_payload in [0, 1_000_000, 100_000_000, 5_000_000_000] {
        let in_base64 = usize::try_from(max_payload / 3 * 4).expect("64 bits");
        assert!(bounds::of_answer(max_payload) >= in_base64 + 16 * 1024 * 1024, "{max_payload}");
        assert_eq!(bounds::of_queue(max_payload), 2 * bounds::of_answer(max_payload));
    }
    assert_eq!(bounds::of_queue(u64::MAX), usize::MAX);
}

proptest! {
    #[test]
    fn nothing_is_lost_torn_or_reordered(packets in vec((0_u8..11, "[a-z]{0,20}"), 0..60), largest in 1_usize..200) {
        let mut messages = Vec::new();
        for (attachments, word) in &packets {
            messages.push(text(&if *attachments > 0 { format!("45{attachments}-[\"{word}\"]") } else { format!("42[\"{word}\"]") }));
            messages.extend((0..*attachments).map(|number| Message::Binary(vec![number])));
        }
        let bodies = bodies(queue(&messages), largest);
        let mut left = 0;
        let mut count = 0;
        for body in &bodies {
            prop_assert_eq!(left, 0, "a body begins with attachments");
            let packets = body.split('\u{1e}').count();
            prop_assert!(packets <= 16);
            for packet in body.split('\u{1e}') {
                count += 1;
                match packet.strip_prefix("45").and_then(|rest| rest.split_once('-')) {
                    Some((attachments, _)) => left = attachments.parse::<usize>().expect("a number"),
                    None if packet.starts_with('b') => left -= 1,
                    None => {}
                }
            }
        }
        prop_assert_eq!(count, messages.len());
    }
}
