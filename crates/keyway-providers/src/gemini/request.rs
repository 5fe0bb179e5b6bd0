//! What is sent to Google. Fields that Gemini does not know are left out.

use serde_json::{Map, Value, json};

use super::content::Conversation;
use crate::chat::{ChatRequest, Effort, Reasoning, RequestError, Tool, ToolChoice};
use crate::dialect::Target;

/// Fields of a request beside Gemini's names for them.
const SETTINGS: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];
/// The first generation that is told how hard to think in words.
const LEVELS_SINCE: u8 = 3;

/// The request's body. An error names the field that Gemini cannot take.
pub(crate) fn request_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Vec<u8>, RequestError> {
    let conversation = Conversation::of(request.messages())?;
    let mut body = Map::new();
    body.insert("contents".into(), conversation.contents.into());
    if !conversation.system.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": conversation.system}));
    }
    let tools = tools(request)?;
    if !tools.is_empty() {
        body.insert("tools".into(), tools.into());
        if let Some(choice) = request.tool_choice()? {
            let config = json!({"functionCallingConfig": calling(choice)});
            body.insert("toolConfig".into(), config);
        }
    }
    let config = generation_config(request, target);
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    Ok(serde_json::to_vec(&body).expect("a JSON object can be written"))
}

fn tools(request: &ChatRequest) -> Result<Vec<Value>, RequestError> {
    let (mut functions, mut tools) = (Vec::new(), Vec::new());
    for (number, tool) in request.tools()?.into_iter().enumerate() {
        let Tool::Function(function) = tool else {
            let allowed = "must be of type \"function\" for Gemini";
            return Err(RequestError::new(format!("tools[{number}]"), allowed));
        };
        let mut declared = json!({"name": function.name});
        let described =
            [("description", function.description), ("parametersJsonSchema", function.parameters)];
        for (field, value) in described {
            if let Some(value) = value {
                declared[field] = value.clone();
            }
        }
        functions.push(declared);
    }
    if !functions.is_empty() {
        tools.push(json!({"functionDeclarations": functions}));
    }
    Ok(tools)
}

fn calling(choice: ToolChoice<'_>) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Function(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    }
}

fn generation_config(request: &ChatRequest, target: &Target<'_>) -> Map<String, Value> {
    let mut config = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(field.to_owned(), value);
        }
    };
    put("candidateCount", Some(request.choices.into()).filter(|_| request.choices > 1));
    put("maxOutputTokens", request.max_tokens.map(Value::from));
    for (field, theirs) in SETTINGS {
        put(theirs, request.field(field).cloned());
    }
    let stops = request.stops();
    put("stopSequences", Some(json!(stops)).filter(|_| !stops.is_empty()));
    if request.json_schema().is_some() || request.json_object() {
        put("responseMimeType", Some("application/json".into()));
        put("responseJsonSchema", request.json_schema().cloned());
    }
    put("responseModalities", modalities(request));
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    put("thinkingConfig", request.reasoning().map(|asked| thinking(asked, target.model, most)));
    config
}

fn modalities(request: &ChatRequest) -> Option<Value> {
    let asked = request.field("modalities")?.as_array()?;
    let upper = asked.iter().filter_map(|it| Some(it.as_str()?.to_ascii_uppercase()));
    Some(upper.collect())
}

/// From the third generation on a level, before it a number of tokens.
fn thinking(asked: Reasoning, model: &str, most: u64) -> Value {
    let mut config = json!({"includeThoughts": !asked.is_off()});
    if generation(model) < LEVELS_SINCE {
        config["thinkingBudget"] = asked.budget(most, 1).unwrap_or(0).into();
    } else {
        config["thinkingLevel"] = level(asked.effort).into();
    }
    config
}

/// `gemini-2.5-flash` is of the second. A name without a number is of the newest.
fn generation(model: &str) -> u8 {
    let mut words = model.split(['-', '.', '/']);
    words.find_map(|word| word.parse().ok()).unwrap_or(u8::MAX)
}

const fn level(effort: Effort) -> &'static str {
    match effort {
        // They cannot be told not to think at all.
        Effort::None | Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}
