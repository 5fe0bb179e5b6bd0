// Runs examples of the documentation as they stand.

import * as newest from './openrouter-newest.mjs';
import * as old from './openrouter-0.1.mjs';

const AsyncFunction = (async () => {}).constructor;
const VERSIONS = { 'openrouter-newest': newest, 'openrouter-0.1': old };

// The example declares `listKeys` twice, which `const` does not allow within one function.
export async function runFetch(_door, code) {
  await new AsyncFunction(code.replaceAll(/^const /gm, 'var '))();
}

// The example spells its calls as no released version does: `get(hash)`, `update(hash, body)`. They are handed over in
// the spelling of the version that is tried.
export async function runSdk(door, version, code) {
  const sdk = VERSIONS[version];
  class OpenRouter {
    constructor({ apiKey }) {
      const own = { ...door, apiKey };
      this.apiKeys = {
        list: (query) => sdk.list(own, query),
        create: (body) => sdk.create(own, body),
        get: (hash) => sdk.get(own, hash),
        update: (hash, body) => sdk.update(own, hash, body),
        delete: (hash) => sdk.remove(own, hash),
      };
    }
  }
  const body = code.replace(/^import .*$/m, '');
  const results = 'return { keys, keysPage2, newKey, key, updatedKey };';
  return new AsyncFunction('OpenRouter', `${body}\n${results}`)(OpenRouter);
}
