import { once } from 'node:events';
import { createServer } from 'node:net';
import { LockstepError } from '../errors.js';

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Listens there for a moment, so that a wrong address is refused before the model is loaded. Errors: `ERR_INPUT_INVALID`. */
export async function checkAddress(address: ListenAddress): Promise<void> {
  const server = createServer();
  try {
    const listens = once(server, 'listening');
    server.listen({ host: address.host, port: address.port });
    await listens;
  } catch (cause) {
    throw cannotListen(address, cause);
  }
  const closed = once(server, 'close');
  server.close();
  await closed;
}

export function cannotListen({ host, port }: ListenAddress, cause: unknown): LockstepError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `The server cannot listen on ${host}, port ${port}: ${why}`;
  return new LockstepError('ERR_INPUT_INVALID', message, { host, port }, { cause });
}
