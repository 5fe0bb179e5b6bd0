//! What stands around a batch of spans: who tells them.

use super::wire::{Message, Open, Value};

const SERVICE: &str = "keyway";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVICE_NAME: &str = "service.name";

/// Fields of a request to a collector, of what it has of one service, of that service, of what it has of
/// one library, and of that library.
const RESOURCE_SPANS: u64 = 1;
const RESOURCE: u64 = 1;
const SCOPE_SPANS: u64 = 2;
const ATTRIBUTES: u64 = 1;
const SCOPE: u64 = 1;
/// Where its spans are.
pub(super) const SPANS: u64 = 2;
const SCOPE_NAME: u64 = 1;
const SCOPE_VERSION: u64 = 2;

/// What every request to a collector begins with. Behind it come spans.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    head: Message,
    /// Fields that end with the last span.
    open: Vec<Open>,
}

impl Envelope {
    /// Of the node `name`. What is `said` of it goes before what it would say itself.
    pub(super) fn new(name: &str, said: &[(String, String)]) -> Self {
        let own = [
            (SERVICE_NAME, SERVICE),
            ("service.version", VERSION),
            ("service.instance.id", name),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.name", SERVICE),
            ("telemetry.sdk.version", VERSION),
        ];
        let own = own.into_iter().filter(|(key, _)| !said.iter().any(|(other, _)| other == key));
        let said = said.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut service = Message::default();
        for (key, value) in said.chain(own) {
            service.attribute(ATTRIBUTES, key, Value::Text(value));
        }
        let mut library = Message::default();
        library.bytes(SCOPE_NAME, SERVICE.as_bytes());
        library.bytes(SCOPE_VERSION, VERSION.as_bytes());
        let mut head = Message::default();
        let of_service = head.open_to_end(RESOURCE_SPANS);
        head.bytes(RESOURCE, service.as_slice());
        let of_library = head.open_to_end(SCOPE_SPANS);
        head.bytes(SCOPE, library.as_slice());
        Self { head, open: vec![of_service, of_library] }
    }

    /// A request with no span in it yet.
    pub(super) fn begin(&self) -> Message {
        self.head.clone()
    }

    /// Takes its spans out of a request.
    pub(super) fn empty(&self, request: &mut Message) {
        request.truncate(self.head.len());
    }

    /// Ends a request behind its last span.
    pub(super) fn seal(&self, request: &mut Message) {
        self.open.iter().for_each(|field| request.close(*field));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use prost::Message as _;

    use super::*;

    const SPAN_NAME: u64 = 5;

    /// Who tells the spans, and what they are called.
    fn opened(request: &Message) -> (BTreeMap<String, String>, Vec<String>) {
        let request = ExportTraceServiceRequest::decode(request.as_slice()).expect("protobuf");
        let [of_resource] = request.resource_spans.as_slice() else { panic!("{request:?}") };
        let [of_scope] = of_resource.scope_spans.as_slice() else { panic!("{request:?}") };
        let scope = of_scope.scope.as_ref().expect("a library");
        assert_eq!((scope.name.as_str(), scope.version.as_str()), (SERVICE, VERSION));
        let attributes = &of_resource.resource.as_ref().expect("a service").attributes;
        let attributes = attributes.iter().map(|it| {
            let value = it.value.as_ref().and_then(|any| any.value.clone());
            let Some(Any::StringValue(text)) = value else { panic!("{it:?}") };
            (it.key.clone(), text)
        });
        (attributes.collect(), of_scope.spans.iter().map(|span| span.name.clone()).collect())
    }

    #[test]
    fn a_batch_is_told_whole_by_a_service_that_may_be_named() {
        let envelope = Envelope::new("node", &[]);
        let mut request = envelope.begin();
        for (count, name) in [(0, "a"), (1, "a"), (3, "ü"), (500, &*"long".repeat(100))] {
            envelope.empty(&mut request);
            for _ in 0..count {
                let mut span = Message::default();
                span.bytes(SPAN_NAME, name.as_bytes());
                request.bytes(SPANS, span.as_slice());
            }
            envelope.seal(&mut request);
            let (service, names) = opened(&request);
            assert_eq!(
                (service[SERVICE_NAME].as_str(), &*service["service.instance.id"]),
                (SERVICE, "node")
            );
            assert_eq!(names, vec![name; count]);
        }
        let said = [(SERVICE_NAME, "theirs"), ("team", "a")];
        let said = said.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let envelope = Envelope::new("node", &said);
        let mut request = envelope.begin();
        envelope.seal(&mut request);
        let (service, _) = opened(&request);
        assert_eq!((&*service[SERVICE_NAME], &*service["team"]), ("theirs", "a"));
        assert_eq!(service["service.version"], VERSION);
    }
}
