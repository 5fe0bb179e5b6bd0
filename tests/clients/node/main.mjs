// Carries out calls of npm clients. One line of JSON on standard input is one call; one line on standard output is what
// it returned or threw.

import { createInterface } from 'node:readline';

import * as agents from './agents.mjs';
import * as ai from './ai.mjs';
import { call, offers } from './clients.mjs';
import * as example from './example.mjs';

// What takes more than a call: programs.
const PROGRAMS = { agents, ai, example };

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await carryOut(JSON.parse(line, withDates));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function carryOut({ client, method, how, baseURL, apiKey, arguments: args }) {
  const door = { baseURL, apiKey };
  try {
    if (client in PROGRAMS) {
      return { returned: await PROGRAMS[client][method](door, ...args) };
    }
    return { returned: how.offers ? offers(client, door) : await call(client, door, method, how, args) };
  } catch (error) {
    return { thrown: told(error) };
  }
}

// The packages take dates as `Date`, which JSON does not know.
function withDates(_name, value) {
  return value?.$date ? new Date(value.$date) : value;
}

// What an error tells the programmer who catches it.
function told(error) {
  return {
    type: error.constructor.name,
    status: error.statusCode ?? error.status,
    message: error.error?.message ?? error.message,
  };
}
