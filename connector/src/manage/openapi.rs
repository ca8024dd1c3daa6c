//! The OpenAPI document (3.1), made of the table of routes and of the types that are read and written.
//!
//! What is committed as `spec/schemas/management-openapi.json` is what is served; a test compares them.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    Scope,
    problem::{MEDIA, Problem},
    routes::{Route, Shape, table},
};

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in table() {
        let operation = operation(&route, &mut generator);
        let method = route.method().to_lowercase();
        paths.insert(route.path.to_owned(), json!({ method: operation }));
    }
    let problem = generator.subschema_for::<Problem>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Naru management API",
            "version": concat!("v1 (naru ", env!("CARGO_PKG_VERSION"), ")"),
            "summary": "What programs on the machine of a node ask of it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:{port}", "variables": {"port": {
            "default": "4900", "description": "`[management] port` of naru.toml, or the port in control.json"}}}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "Why it was not carried out (RFC 9457).",
                "content": {MEDIA: {"schema": problem}},
            }},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description":
                "A token of `naru token --scope SCOPE`. Scopes: read, operate, approve, audit; each of them may read."}},
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let id = route.path.trim_start_matches("/v1").trim_matches('/').replace('.', "_");
    let (media, schema) = match route.answer {
        Shape::Json(schema) => ("application/json", json!(schema(generator))),
        Shape::Text(media) => (media, json!({"type": "string"})),
        // A stream of events; the schema is that of each one's data.
        Shape::Events(schema) => ("text/event-stream", json!(schema(generator))),
    };
    let mut operation = json!({
        "operationId": id,
        "summary": route.summary,
        "x-scope": route.scope.map(Scope::as_str),
        "responses": {
            "200": {"description": "Done.", "content": {media: {"schema": schema}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    });
    if route.scope.is_none() {
        operation["security"] = json!([]);
    }
    if let Some(request) = route.request {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": request(generator)}}});
    }
    if matches!(route.answer, Shape::Events(_)) {
        operation["parameters"] = json!([{
            "name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The id of the last event that was seen.",
        }]);
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = "spec/schemas/management-openapi.json";

    /// `NARU_BLESS=1 cargo test …` writes the file anew after a change of a type or a route.
    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(COMMITTED);
        let served = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        if std::env::var_os("NARU_BLESS").is_some() {
            std::fs::write(&path, &served).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(committed == served, "{COMMITTED} is not what is served: NARU_BLESS=1 writes it anew");
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_route_has_its_scope() {
        let document = document();
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for route in table() {
            let pointer =
                format!("/paths/{}/{}", route.path.replace('/', "~1"), route.method().to_lowercase());
            let operation = document.pointer(&pointer).unwrap();
            assert_eq!(operation["x-scope"], json!(route.scope.map(Scope::as_str)), "{}", route.path);
            assert_eq!(operation.get("requestBody").is_some(), route.method() == "POST", "{}", route.path);
        }
    }
}
