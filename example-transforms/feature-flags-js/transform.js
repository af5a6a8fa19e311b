// Feature flags in JavaScript: `{"dark": {"on": true}}` becomes the hash `flags`, a field a flag.
import { write } from 'redis-sync:transform/log@0.1.0';
import { get } from 'redis-sync:transform/settings@0.1.0';

const bytes = (text) => new TextEncoder().encode(text);

export function transform(object) {
  let flags;
  try {
    flags = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(object.body));
  } catch {
    throw `${object.key} is not JSON`;
  }
  const fields = Object.entries(flags).map(([name, flag]) => [name, bytes(String(flag.on === true))]);
  write('info', `${fields.length} flags`);
  return [{ key: get('hash') ?? 'flags', value: { tag: 'hash', val: fields }, ttlSeconds: undefined }];
}
