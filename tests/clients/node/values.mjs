// Between JSON, which the tests speak, and what the SDKs take and give.

// The SDKs take dates as `Date`, which JSON does not know.
export function withDates({ expiresAt, ...body }) {
  return expiresAt ? { ...body, expiresAt: new Date(expiresAt) } : body;
}

// All chunks of a stream.
export async function collected(stream) {
  const chunks = [];
  for await (const chunk of await stream) {
    chunks.push(chunk);
  }
  return chunks;
}
