/** Text of tokens as they come: a character that several tokens make is given with the last of them. */
export interface TokenText {
  push(id: number): string;
  /** What is left. */
  end(): string;
}

/** Turns text into token ids and back. `openTokenizer` of a model's folder gives one; a service takes any. */
export interface ServiceTokenizer {
  encode(text: string, options?: { readonly special?: boolean }): number[];
  decode(ids: ArrayLike<number>): string;
  stream(): TokenText;
  /** Jinja template of chats; null where the model has none. */
  readonly chatTemplate: string | null;
  renderChat(messages: readonly { readonly role: string; readonly content: string }[]): string;
}
