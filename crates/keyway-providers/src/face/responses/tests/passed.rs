//! An answer whose provider speaks this dialect itself.

use super::*;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

#[test]
fn a_stream_that_was_passed_on_and_is_cut_ends_with_what_was_said() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let said = chunk(&json!({}), None);
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": []});
    let delta = |text: &str| json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": text});
    let natives = [
        json!({"type": "response.created", "response": {}}),
        json!({"type": "response.output_item.added", "item": thought}),
        json!({"type": "response.output_item.done", "item": thought}),
        json!({"type": "response.output_item.added", "output_index": 3, "item": message}),
        delta("hel"),
        delta("lo"),
        json!({"type": "response.output_text.delta", "item_id": "msg_2", "delta": "x"}),
    ];
    let numbered = natives.iter().enumerate().map(|(number, event)| {
        let mut event = object(event);
        event.insert("sequence_number".into(), number.into());
        event
    });
    let passed = voice.pass_on(numbered.collect(), &said);
    let why = voice.cut_short(object(&json!({"why": "budget"})));
    let events = events(&[passed, why, voice.closing(&envelope(), &receipt(), None)]);
    let ends = ["output_text.done", "content_part.done", "output_item.done", "incomplete"];
    assert_eq!(types(&events)[7..], ends);
    assert_eq!(events[9]["output_index"], 3, "as its provider counts");
    let output = &events.last().expect("events")["response"]["output"];
    assert_eq!(output[0], thought);
    assert_eq!((&output[1]["id"], &output[1]["status"]), (&json!("msg_1"), &json!("incomplete")));
    assert_eq!(output[1]["content"][0]["text"], "hello");
}

#[test]
fn not_too_much_that_was_passed_on_is_said_again() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let picture =
        json!({"type": "image_generation_call", "id": "ig_1", "result": "A".repeat(3 << 20)});
    for _ in 0..3 {
        let done = json!({"type": "response.output_item.done", "item": picture});
        let _ = voice.pass_on(vec![object(&done)], &chunk(&json!({}), None));
    }
    let _ = voice.cut_short(Map::new());
    let closing = voice.closing(&envelope(), &receipt(), None);
    assert!((3 << 20..4 << 20).contains(&closing.len()), "{}", closing.len());
}
