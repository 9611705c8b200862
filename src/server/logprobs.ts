import type { TextTokenizer } from '../checkpoint/index.js';
import type { TokenLogprobs } from '../service/index.js';

/**
 * A token as answers say it: its text; `bytes:\\xHH…` where it is a part of a character, as OpenAI's interface has it; `token_id:N` where there is
 * no tokenizer.
 */
export interface LikelyText {
  readonly token: string;
  /** What it says, in UTF-8. */
  readonly bytes: readonly number[];
  readonly logprob: number;
}

/** A token of an answer, how likely it was, and the likeliest in its place. */
export interface LikelyToken extends LikelyText {
  readonly top: readonly LikelyText[];
  /** Characters of the answer before it. */
  readonly offset: number;
}

export function likelyToken(
  tokenizer: TextTokenizer | null,
  token: number,
  { logprob, top }: TokenLogprobs,
  offset: number,
): LikelyToken {
  return {
    ...tokenText(tokenizer, token),
    logprob: said(logprob),
    top: top.map(({ token: id, logprob: own }) => ({ ...tokenText(tokenizer, id), logprob: said(own) })),
    offset,
  };
}

function tokenText(tokenizer: TextTokenizer | null, id: number): Pick<LikelyText, 'token' | 'bytes'> {
  if (tokenizer === null) return { token: `token_id:${id}`, bytes: [] };
  const bytes = tokenizer.tokenBytes?.(id) ?? new TextEncoder().encode(tokenizer.decode([id]));
  try {
    return { token: STRICT.decode(bytes), bytes: [...bytes] };
  } catch {
    const numbers = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
    return { token: `bytes:${numbers.join('')}`, bytes: [...bytes] };
  }
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** JSON has no infinity. Source: OpenAI's interface, which says so of a token that is not among the likeliest. */
const LEAST = -9999;

const said = (logprob: number): number => Math.max(LEAST, logprob);

/** `logprobs` of a completion's choice. Tokens of one text are one entry of `top_logprobs`, the likelier one's. */
export function completionLogprobs(tokens: readonly LikelyToken[]): object {
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries([...top].reverse().map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** `logprobs` of a chat's choice. */
export function chatLogprobs(tokens: readonly LikelyToken[]): object {
  const withBytes = ({ token, logprob, bytes }: LikelyText): object => ({ token, logprob, bytes });
  return {
    content: tokens.map((token) => ({ ...withBytes(token), top_logprobs: token.top.map(withBytes) })),
    refusal: null,
  };
}
