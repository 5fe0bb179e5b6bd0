#!/usr/bin/env python3
"""Makes models.jsonl out of the price map that PyPI's litellm ships.

    pip download litellm --no-deps --dest /tmp/litellm
    catalogue/build.py /tmp/litellm/litellm-*.whl YYYY-MM-DD

The date is the day of the download. Only facts are taken: names, lengths, abilities and prices.
Numbers are read from their decimal text and never become floating-point numbers.
"""

import collections
import decimal
import json
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
PRICE_MAP = "litellm/model_prices_and_context_window_backup.json"
# Longest price that the gateway reads.
DECIMALS_MAX = 15

# The map's name of a provider: ours, and the author of its models where it makes them itself.
PROVIDERS = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "gemini": ("google-ai-studio", "google"),
    "xai": ("xai", "x-ai"),
    "deepseek": ("deepseek", "deepseek"),
    "mistral": ("mistral", "mistralai"),
    "moonshot": ("moonshotai", "moonshotai"),
    "zai": ("z-ai", "z-ai"),
    "dashscope": ("alibaba", None),
    "groq": ("groq", None),
    "cerebras": ("cerebras", None),
    "together_ai": ("together", None),
    "fireworks_ai": ("fireworks", None),
    "deepinfra": ("deepinfra", None),
    "novita": ("novita", None),
    "nebius": ("nebius", None),
    "sambanova": ("sambanova", None),
    "hyperbolic": ("hyperbolic", None),
    "perplexity": ("perplexity", "perplexity"),
    "cohere_chat": ("cohere", "cohere"),
    "cohere": ("cohere", "cohere"),
    "ollama": ("ollama", "ollama"),
}
# They run at the operator's: what they cost is not for them to say.
LOCAL = {"ollama"}
# What clouds sell of other makers is named by the cloud; see `clouds`.
VERTEX = {"vertex_ai": "google-vertex", "vertex_ai-language-models": "google-vertex", "vertex_ai-embedding-models": "google-vertex",
          "vertex_ai-anthropic_models": "google-vertex-anthropic"}
BEDROCK = {"bedrock", "bedrock_converse"}
# Makers as Amazon names them; of embeddings and rankings only those that the gateway speaks.
MAKERS = {"ai21": "ai21", "amazon": "amazon", "anthropic": "anthropic", "deepseek": "deepseek", "google": "google",
          "meta": "meta-llama", "minimax": "minimax", "mistral": "mistralai", "moonshot": "moonshotai",
          "moonshotai": "moonshotai", "nvidia": "nvidia", "openai": "openai", "qwen": "qwen", "writer": "writer",
          "xai": "x-ai", "zai": "z-ai"}
ERRANDS = re.compile(r"cohere\.(embed|rerank)-|amazon\.titan-embed-text-")
# It sells what makers serve under our names and at their prices, and says what it charged.
RESELLER = "openrouter"
# Names that are one of several of one model.
ALIAS = re.compile(r"latest|beta|experimental|exp-|\d{4}-\d{2}-\d{2}$|-\d{4}$|-\d{8}$")

# Authors as others write them.
AUTHORS = {
    "deepseek-ai": "deepseek",
    "zai-org": "z-ai",
    "thudm": "z-ai",
    "minimaxai": "minimax",
    "xiaomimimo": "xiaomi",
    "meta": "meta-llama",
    "mistral": "mistralai",
}

# Authors of models whose hosts do not name them, by how the model's name begins.
FAMILIES = [
    ("gpt-oss", "openai"),
    ("llama", "meta-llama"),
    ("meta-llama", "meta-llama"),
    ("qwen", "qwen"),
    ("qwq", "qwen"),
    ("qvq", "qwen"),
    ("deepseek", "deepseek"),
    ("kimi", "moonshotai"),
    ("glm", "z-ai"),
    ("minimax", "minimax"),
    ("gemma", "google"),
    ("mixtral", "mistralai"),
    ("mistral", "mistralai"),
]

MODES = {"chat": "text", "embedding": "embeddings", "rerank": "rerank"}

RATES = {
    "input_cost_per_token": "prompt",
    "output_cost_per_token": "completion",
    "cache_read_input_token_cost": "input_cache_read",
    "cache_creation_input_token_cost": "input_cache_write",
    "cache_creation_input_token_cost_above_1hr": "input_cache_write_1h",
    "input_cost_per_image_token": "image_token",
    "input_cost_per_audio_token": "audio",
    "output_cost_per_reasoning_token": "internal_reasoning",
    "output_cost_per_image_token": "image_output",
    "output_cost_per_audio_token": "audio_output",
}
FLAT = {"input_cost_per_request": "request", "input_cost_per_query": "request", "input_cost_per_image": "image"}
TIER = re.compile(r"^(.*)_above_(\d+)k_tokens$")
# What nobody writes to a cache for costs what the prompt does.
NOT_ZERO = {"input_cache_write", "input_cache_write_1h"}


class Unfit(Exception):
    """Why an entry is left out."""


def decimal_text(number):
    number = decimal.Decimal(number)
    if number < 0 or number > 1:
        raise Unfit("a price out of range")
    # 8.700000000000001e-07 is what a program's arithmetic left of 8.7e-07.
    exact = round(number, DECIMALS_MAX)
    if abs(exact - number) * 10**9 > number:
        raise Unfit("a price with too many decimals")
    return format(exact.normalize(), "f")


def rates(entry, names):
    found = {}
    for name, ours in names.items():
        if isinstance(entry.get(name), (int, decimal.Decimal)):
            text = decimal_text(entry[name])
            if not (ours in NOT_ZERO and text == "0"):
                found[ours] = text
    return found


def tiers(entry):
    """Prices above a length of the prompt, by that length."""
    found = collections.defaultdict(dict)
    for name, number in entry.items():
        match = TIER.match(name)
        if match and match[1] in RATES:
            found[int(match[2]) * 1000][RATES[match[1]]] = decimal_text(number)
    return [{"min_prompt_tokens": above, **found[above]} for above in sorted(found)]


def off_peak(entry):
    """Other prices at times of day, on days of the week that count from Monday, which is 1."""
    found = []
    at_night = entry.get("off_peak_pricing")
    for window in at_night["windows"] if at_night else []:
        hours = window["hours_utc"]
        for span in [hours] if isinstance(hours, str) else hours:
            start, end = (int(clock.replace(":", "")) for clock in span.split("-"))
            condition = {} if start == end else {"utc_start": start, "utc_end": end}
            found.append({"utc_days": window["weekdays"], **condition, **rates(at_night, RATES)})
    return found


def pricing(entry, output):
    prices = rates(entry, RATES) | rates(entry, FLAT)
    overrides = tiers(entry)
    ranges = entry.get("tiered_pricing")
    if ranges:
        first, *rest = sorted(ranges, key=lambda tier: tier["range"][0])
        prices = rates(first, RATES) | prices
        overrides = [{"min_prompt_tokens": int(tier["range"][0]), **rates(tier, RATES)} for tier in rest]
    if output != "text":
        prices.setdefault("completion", "0")
        if "request" in prices:
            prices.setdefault("prompt", "0")
    overrides += off_peak(entry)
    otherwise = ["output_cost_per_second", "output_cost_per_video_per_second", "citation_cost_per_token"]
    if "output_cost_per_image" in entry and "image_output" not in prices:
        otherwise.append("output_cost_per_image")
    if any(entry.get(name) for name in otherwise):
        raise Unfit("charged for otherwise")
    local = entry["litellm_provider"] in LOCAL
    if not local and all(decimal.Decimal(price) == 0 for price in prices.values()):
        raise Unfit("no price at all")
    searches = entry.get("search_context_cost_per_query")
    if searches and entry["litellm_provider"] == "perplexity":
        # Every request searches. The provider says what it cost; this bounds it.
        prices["request"] = decimal_text(max(searches.values()))
    if "prompt" not in prices or "completion" not in prices:
        raise Unfit("no price of both sides")
    if overrides:
        prices["overrides"] = overrides
    return prices


def slug_of(name):
    # claude-opus-4-5 is version 4.5.
    name = re.sub(r"^(claude-[a-z]+-\d+)-(\d{1,2})(?=$|-)", r"\1.\2", name.lower())
    return re.sub(r"[^a-z0-9._-]", "-", name)


def identity(provider, author, name):
    """Author and slug of what a provider calls `name`."""
    if author:
        return author, slug_of(name.rpartition("/")[2])
    if provider == "fireworks":
        name = re.sub(r"(\d)p(\d)", r"\1.\2", name.rpartition("/")[2])
    organisation, _, model = name.rpartition("/")
    slug = slug_of(model)
    if organisation:
        organisation = organisation.rpartition("/")[2].lower()
        return AUTHORS.get(organisation, organisation), slug
    for beginning, family in FAMILIES:
        if slug.startswith(beginning):
            return family, slug
    raise Unfit("no author is known")


def clouds(key, entry, entries):
    """Where a cloud sells what an entry is about: provider, id, its name there, and what its prices are multiplied by.

    A cloud has many places and one price map, so an entry is taken only where its price holds at every place that the
    provider's slug stands for.
    """
    kind = entry.get("litellm_provider")
    if kind in VERTEX:
        name = key.removeprefix("vertex_ai/")
        if "claude" not in name and not name.startswith("gemini-"):
            raise Unfit("another dialect of a cloud")
        if "@" not in name and any(other.startswith(f"{key}@") for other in entries):
            raise Unfit("an alias")
        author = "anthropic" if "claude" in name else "google"
        # What is dearer in one place than everywhere has another slug there.
        dearer = entries.get(f"vertex_ai/{name}", entry).get("regional_endpoint_uplift_multiplier", 1)
        slug = slug_of(name.partition("@")[0])
        return [(VERTEX[kind], f"{author}/{slug}", name, dearer), (VERTEX[kind] + "-global", f"{author}/{slug}", name, 1)]
    place, _, bare = key.rpartition("global.")
    if place or "/" in bare or re.match(r"[a-z-]+\.[a-z0-9]+\.", bare) and bare.split(".")[1] in MAKERS:
        raise Unfit("at one place of a cloud only")
    maker, _, model = bare.partition(".")
    if entry.get("mode") != "chat":
        if not ERRANDS.match(bare):
            raise Unfit("another dialect of a cloud")
        author = "cohere" if maker == "cohere" else "amazon"
    elif kind == "bedrock" or maker not in MAKERS:
        raise Unfit("another dialect of a cloud")
    else:
        author = MAKERS[maker]
    if not key.startswith("global."):
        there = [it for name, it in entries.items() if re.fullmatch(rf"bedrock/(?!us-gov)[a-z0-9-]+/{re.escape(bare)}", name)]
        sides = ["input_cost_per_token", "output_cost_per_token"]
        if any(it.get(side) != entry.get(side) for it in there for side in sides):
            raise Unfit("a price for each place of a cloud")
        if f"global.{bare}" in entries:
            raise Unfit("an alias")
        if author == "anthropic" or (f"us.{bare}" in entries and author != "amazon"):
            raise Unfit("at one place of a cloud only")
    if entry["mode"] != "chat":
        slug = re.sub(r"-v(\d+)(?:-(\d))?(:\d+)?$", lambda it: f"-v{it[1]}.{it[2] or 0}", model)
        return [("amazon-bedrock", f"{author}/{slug}", key, 1)]
    slug = re.sub(r"(-v\d+|-\d)?(:\d+)?$", "", model) if re.search(r"-v\d+(:\d+)?$|:\d+$", model) else model
    slug = re.sub(r"^llama(\d)-(\d)-", r"llama-\1.\2-", slug_of(re.sub(r"-\d{8}$", "", slug)))
    slug = f"deepseek-{slug}" if author == "deepseek" else slug
    return [("amazon-bedrock", f"{author}/{slug}", key, 1)]


def times(prices, factor):
    """Prices that are all multiplied by `factor`."""
    conditions = {"min_prompt_tokens", "utc_start", "utc_end", "utc_days", "overrides"}
    scaled = {
        name: price if name in conditions else decimal_text(decimal.Decimal(price) * decimal.Decimal(factor))
        for name, price in prices.items()
    }
    if "overrides" in prices:
        scaled["overrides"] = [times(it, factor) for it in prices["overrides"]]
    return scaled


def parameters(entry, output):
    if output != "text":
        return []
    found = ["max_tokens", "stop"]
    if entry.get("supports_sampling_params") is not False:
        found += ["temperature", "top_p"]
    if entry.get("supports_function_calling"):
        found.append("tools")
    if entry.get("supports_tool_choice"):
        found.append("tool_choice")
    if entry.get("supports_parallel_function_calling"):
        found.append("parallel_tool_calls")
    if entry.get("supports_response_schema"):
        found += ["response_format", "structured_outputs"]
    if entry.get("supports_reasoning"):
        found += ["include_reasoning", "reasoning"]
    return sorted(found)


def modalities(entry, output):
    inputs = {"text"}
    inputs |= {"image"} if entry.get("supports_vision") else set()
    inputs |= {"audio"} if entry.get("supports_audio_input") else set()
    inputs |= {"video"} if entry.get("supports_video_input") else set()
    inputs |= {"file"} if entry.get("supports_pdf_input") else set()
    outputs = {output}
    if output == "text":
        outputs |= {"audio"} if entry.get("supports_audio_output") else set()
        outputs |= set(entry.get("supported_output_modalities", [])) & {"image", "audio"}
    order = ["text", "image", "file", "audio", "video", "embeddings", "rerank"]
    return [it for it in order if it in inputs], [it for it in order if it in outputs]


def title(slug):
    spelled = {"gpt": "GPT", "glm": "GLM", "qwq": "QwQ", "deepseek": "DeepSeek", "minimax": "MiniMax", "oss": "OSS"}
    return " ".join(spelled.get(part, part[:1].upper() + part[1:]) for part in slug.split("-"))


def places(key, entry, entries):
    """Where what an entry is about is sold, as `clouds` says it."""
    if entry.get("litellm_provider") in VERTEX or entry.get("litellm_provider") in BEDROCK:
        return clouds(key, entry, entries)
    provider, author = PROVIDERS[entry["litellm_provider"]]
    prefix = entry["litellm_provider"].removesuffix("_chat") + "/"
    upstream = key.removeprefix(prefix)
    if provider == "perplexity" and not re.match(r"sonar(-pro|-reasoning|$)", upstream):
        raise Unfit("withdrawn")
    if provider == "ollama" and upstream.endswith("-cloud"):
        raise Unfit("not served locally")
    if provider == "fireworks" and not upstream.startswith("accounts/fireworks/models/"):
        raise Unfit("an alias")
    if provider == "fireworks" and "serverless" not in entry.get("source", ""):
        raise Unfit("not served without a deployment")
    if provider == "together" and "/" not in upstream:
        raise Unfit("a price class")
    return [(provider, "/".join(identity(provider, author, upstream)), upstream, 1)]


def read(key, entry, entries, today):
    output = MODES.get(entry.get("mode"))
    if not output or entry.get("litellm_provider") not in [*PROVIDERS, *VERTEX, *BEDROCK]:
        raise Unfit("another provider or use")
    if entry.get("deprecation_date", "9999") < today:
        raise Unfit("withdrawn")
    if key.startswith("ft:") or "/ft:" in key or any(it in key for it in ("realtime", "deep-research", "-search-", "-live-")):
        raise Unfit("not for chat completions")
    endpoints = entry.get("supported_endpoints")
    if output == "text" and endpoints and "/v1/chat/completions" not in endpoints:
        raise Unfit("not for chat completions")
    found = places(key, entry, entries)
    context = entry.get("max_input_tokens") or entry.get("max_tokens")
    if not context:
        raise Unfit("no length")
    inputs, outputs = modalities(entry, output)
    completion = int(entry.get("max_output_tokens") or entry.get("max_tokens") or context)
    if output != "text":
        completion = 1
    prices = pricing(entry, output)
    for provider, id, upstream, factor in found:
        model = {"id": id, "name": title(id.partition("/")[2]), "input_modalities": inputs, "output_modalities": outputs}
        if "deprecation_date" in entry:
            model["expiration_date"] = entry["deprecation_date"]
        yield model, {
            "provider": provider,
            "upstream_model": upstream,
            "context_length": max(int(context), completion),
            "max_completion_tokens": completion,
            "supported_parameters": parameters(entry, output),
            "pricing": times(prices, factor) if factor != 1 else prices,
        }


def add(models, model, endpoint):
    known = models.setdefault(model["id"], model | {"endpoints": []})
    if known["output_modalities"] != model["output_modalities"]:
        return
    if any(it["provider"] == endpoint["provider"] for it in known["endpoints"]):
        return
    known["endpoints"].append(endpoint)
    # What one of its endpoints reads, the model does.
    more = [it for it in model["input_modalities"] if it not in known["input_modalities"]]
    known["input_modalities"] = known["input_modalities"] + more
    if len(known["endpoints"]) > 1:
        known.pop("expiration_date", None)


def main():
    wheel, today = sys.argv[1], sys.argv[2]
    version = re.match(r"litellm-([^-]+)-", pathlib.Path(wheel).name)[1]
    text = zipfile.ZipFile(wheel).read(PRICE_MAP)
    entries = json.loads(text, parse_float=decimal.Decimal)
    slugs = {provider["slug"] for provider in json.loads((HERE / "providers.json").read_text())}
    left_out = collections.Counter()
    models = {}
    for key, entry in entries.items():
        try:
            sold = list(read(key, entry, entries, today))
        except Unfit as why:
            left_out[str(why)] += 1
            continue
        for model, endpoint in sold:
            add(models, model, endpoint)
            assert endpoint["provider"] in slugs
    for model in models.values():
        author, slug = model["id"].split("/")
        own = {ours for ours, maker in PROVIDERS.values() if maker == author} - LOCAL
        made = [it for it in model["endpoints"] if it["provider"] in own]
        if made and model["output_modalities"][0] == "text" and not ALIAS.search(slug):
            model["endpoints"].append(made[0] | {"provider": RESELLER, "upstream_model": model["id"]})
    head = {
        "version": today,
        "models": len(models),
        "sources": [{"package": "PyPI litellm", "version": version, "file": PRICE_MAP, "date": today}],
    }
    with open(HERE / "models.jsonl", "w") as out:
        out.write(json.dumps(head) + "\n")
        for _, model in sorted(models.items()):
            out.write(json.dumps(model) + "\n")
    providers = {it["provider"] for model in models.values() for it in model["endpoints"]}
    print(f"{len(models)} models, {sum(len(it['endpoints']) for it in models.values())} endpoints, {len(providers)} providers")
    print("left out:", dict(left_out))


if __name__ == "__main__":
    main()
