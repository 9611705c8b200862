// Entry of the worker thread that encodes long texts for a service.
import { parentPort, workerData } from 'node:worker_threads';
import { openTokenizer, type TextTokenizer } from '../checkpoint/index.js';
import { LockstepError } from '../errors.js';
import type { EncodedText, EncoderSetup, TextToEncode } from './encoder-thread.js';
import { noTokenizer, textIds } from './prompt-ids.js';

const { directory, vocabSize } = workerData as EncoderSetup;
let tokenizer: TextTokenizer | null = null;

async function encode({ text, special }: TextToEncode): Promise<EncodedText> {
  try {
    tokenizer ??= await openTokenizer(directory);
    if (tokenizer === null) throw noTokenizer('prompt');
    return { ids: textIds(text, tokenizer, vocabSize, special) };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { error: error.toJSON() };
  }
}

// An error that is not of ours ends the thread, as an uncaught one.
parentPort?.on('message', (message: TextToEncode) => {
  void encode(message).then((said) => parentPort?.postMessage(said));
});
