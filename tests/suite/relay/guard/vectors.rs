//! Packets that servers read differently: none of them goes on.

use super::stage::{Cut, PLAIN, Stage};

#[test]
fn no_refused_packet_reaches_an_app() {
    let text = include_str!("../../../vectors/refused_packets.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).expect("JSON");
    assert!(vectors.len() > 100);
    for cut in [Cut::Whole, Cut::Bytes, Cut::Fragments] {
        for vector in &vectors {
            let (name, packet) = (&vector["name"], vector["packet"].as_str().expect("a packet"));
            for is_joined in [true, false] {
                let mut stage = Stage::new(PLAIN, cut);
                if is_joined {
                    stage.join("").join("/chat,").join("/admin,");
                    stage.app("427[\"an answer is asked for\"]");
                }
                let came = stage.client(packet);
                assert!(came.starts_with("break ") || came.starts_with("drop"), "{cut:?} {name}: {came}");
                assert!(!came.contains("app "), "{name}: {came}");
            }
        }
    }
}
