// Runs examples of the documentation as they stand.

import { call } from './clients.mjs';

const AsyncFunction = (async () => {}).constructor;

// How each version spells the calls of the example, which spells them as no released version does: `get(hash)`,
// `update(hash, body)`. What goes into a query is a string in 0.1: the example's `list({ offset: 100 })` is
// `list({ offset: '100' })` there.
const SPELLINGS = {
  'openrouter-newest': { list: (query) => query, create: (requestBody) => ({ requestBody }) },
  'openrouter-0.1': { list: strings, create: (body) => body },
};

// The example declares `listKeys` twice, which `const` does not allow within one function.
export async function runFetch(_door, code) {
  await new AsyncFunction(code.replaceAll(/^const /gm, 'var '))();
}

export async function runSdk(door, version, code) {
  const spelled = SPELLINGS[version];
  class OpenRouter {
    constructor({ apiKey }) {
      const ask = (method, ...args) => call(version, { ...door, apiKey }, `apiKeys.${method}`, {}, args);
      this.apiKeys = {
        list: (query = {}) => ask('list', spelled.list(query)),
        create: (body) => ask('create', spelled.create(body)),
        get: (hash) => ask('get', { hash }),
        update: (hash, requestBody) => ask('update', { hash, requestBody }),
        delete: (hash) => ask('delete', { hash }),
      };
    }
  }
  const body = code.replace(/^import .*$/m, '');
  const results = 'return { keys, keysPage2, newKey, key, updatedKey };';
  return new AsyncFunction('OpenRouter', `${body}\n${results}`)(OpenRouter);
}

function strings(query) {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]));
}
