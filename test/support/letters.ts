import type { ServiceTokenizer } from '../../dist/service/index.js';

/** Tokens that this tokenizer knows: the letters a to z, a blank, and the token that ends a text. */
export const LETTERS = 28;
export const END = 27;

const textOf = (id: number): string => (id === END ? '' : id === 26 ? ' ' : String.fromCharCode(97 + id));

/** One letter a token; the chat template writes `role content` of each message, and ` a ` for the answer. */
export const letters: ServiceTokenizer = {
  encode: (text) => [...text].map((letter) => (letter === ' ' ? 26 : letter.charCodeAt(0) - 97)),
  decode: (ids) => Array.from(ids, textOf).join(''),
  stream: () => ({ push: textOf, end: () => '' }),
  chatTemplate: 'letters',
  renderChat: (messages) => `${messages.map(({ role, content }) => `${role} ${content}`).join(' ')} a `,
};
