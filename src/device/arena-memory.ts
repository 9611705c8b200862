import { types } from 'node:util';
import { inputInvalid } from './addon-errors.js';

// A view may be of another realm, and of a class with getters of its own: these read what the engine knows.
const getterOf = (prototype: object, name: string) => Object.getOwnPropertyDescriptor(prototype, name)?.get;
const bufferOf = getterOf(Object.getPrototypeOf(Uint8Array.prototype), 'buffer');
const resizableOf = getterOf(ArrayBuffer.prototype, 'resizable');
const transfer: unknown = Reflect.get(ArrayBuffer.prototype, 'transfer');

/**
 * Refuses memory that JavaScript could free while streams use it by address: nothing but shared memory and a WebAssembly memory's buffer
 * is safe from being detached. @throws `ERR_INPUT_INVALID`.
 */
export function checkArena(view: Uint8Array): void {
  if (!types.isUint8Array(view)) throw inputInvalid('view', view, 'a Uint8Array over the arena');
  const memory = bufferOf?.call(view) as ArrayBufferLike;
  if (types.isSharedArrayBuffer(memory)) return;
  if (resizableOf?.call(memory) === true) throw inputInvalid('view', 'resizable', 'a view of memory of fixed size');
  if (isDetachable(memory)) {
    throw inputInvalid('view', 'detachable', "a view of a SharedArrayBuffer or of a WebAssembly.Memory's buffer");
  }
}

/** Whether anything could detach an ArrayBuffer. It stays as it is: neither way of asking comes as far as detaching. */
function isDetachable(memory: ArrayBuffer): boolean {
  if (typeof transfer !== 'function') return refusesTwice(memory);
  try {
    // No machine has that many bytes; memory that cannot be detached is refused before they are asked for.
    transfer.call(memory, Number.MAX_SAFE_INTEGER);
  } catch (error) {
    return !(error instanceof TypeError);
  }
  return true;
}

/** Node 20 leaves out of a transfer what it cannot detach, and refuses what stands there twice. */
function refusesTwice(memory: ArrayBuffer): boolean {
  try {
    structuredClone(null, { transfer: [memory, memory] });
    return false;
  } catch {
    return true;
  }
}
