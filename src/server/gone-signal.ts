import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What is called when a connection ends: one listener for each connection, however many requests it has. */
const ENDS = new WeakMap<Socket, Set<() => void>>();

/**
 * Aborts once a response is over: all was sent, or its client has left. A response that waits behind others of its connection never
 * says that it is closed, so the connection is watched too.
 */
export function goneSignal({ socket }: IncomingMessage, response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  const ends = endsOf(socket);
  const leave = (): void => {
    ends.delete(leave);
    gone.abort();
  };
  if (socket.destroyed || response.closed) leave();
  else {
    ends.add(leave);
    response.once('close', leave);
  }
  return gone.signal;
}

function endsOf(socket: Socket): Set<() => void> {
  let ends = ENDS.get(socket);
  if (ends === undefined) {
    ends = new Set();
    const all = ends;
    ENDS.set(socket, ends);
    socket.once('close', () => {
      for (const leave of all) leave();
    });
  }
  return ends;
}
