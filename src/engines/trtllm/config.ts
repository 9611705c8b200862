import { LockstepError, shown } from '../../errors.js';
import { sizeOf } from '../command-line.js';

/** TensorRT-LLM's `cuda_graph_config` as far as it decides what is captured for decodes. */
export interface TrtllmGraphConfig {
  /** Batches in requests, as given. Null: derived from `maxBatch`. */
  readonly batchSizes: readonly number[] | null;
  /** 0: the default. */
  readonly maxBatch: number;
  readonly padding: boolean;
}

const NAME = 'cuda_graph_config';
const KEYS = ['batch_sizes', 'max_batch_size', 'enable_padding', 'mode'];

/**
 * The `cuda_graph_config` of a YAML document, in flow or block style; null where it says null, which turns graphs off. Errors:
 * ERR_INPUT_INVALID without one, and for keys and values that TensorRT-LLM refuses.
 */
export function trtllmGraphConfig(yaml: string): TrtllmGraphConfig | null {
  const lines = yaml.split('\n').map((line) => line.replace(/(^|\s)#.*$/, '').trimEnd());
  const start = lines.findIndex((line) => /^\s*cuda_graph_config\s*:/.test(line));
  if (start < 0) {
    throw invalid(`there is no ${NAME}: expected YAML like ${NAME}: {batch_sizes: [1, 2, 4], enable_padding: true}`);
  }
  const indent = lines[start].search(/\S/);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line !== '' && line.search(/\S/) <= indent && !/^\s*[}\]]/.test(line));
  const body = [lines[start].replace(/^.*?:/, ''), ...(end < 0 ? rest : rest.slice(0, end))].join('\n').trim();
  if (body === 'null' || body === '~' || body === '') return null;
  const fields = body.startsWith('{') ? flowFields(body) : blockFields(body);
  const unknown = [...fields.keys()].find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(`${NAME} has no ${shown(unknown)}; it has ${KEYS.join(', ')}`);
  if (![undefined, 'decode'].includes(fields.get('mode'))) {
    throw invalid(`mode is ${shown(fields.get('mode'))}; decode sizes are those of mode decode`);
  }
  return check({
    batchSizes: batchSizes(fields.get('batch_sizes')),
    maxBatch: maxBatch(fields.get('max_batch_size')),
    padding: truth(fields.get('enable_padding')),
  });
}

/** Keys and values of `{a: 1, b: [1, 2]}`. */
function flowFields(body: string): Map<string, string> {
  if (!body.endsWith('}')) throw invalid(`${NAME} opens a brace that its block does not close`);
  const inner = body.slice(1, -1);
  const fields = new Map<string, string>();
  // The value includes the white space around it until it is trimmed: a pattern with several optional white spaces would backtrack.
  const field = /\s*["']?(\w+)["']?\s*:(\s*\[[^\]]*\]\s*|[^,[\]]*)(?:,|$)/gy;
  while (field.lastIndex < inner.length && inner.slice(field.lastIndex).trim() !== '') {
    const at = field.lastIndex;
    const match = field.exec(inner);
    if (match === null) throw invalid(`${NAME} cannot be read at ${shown(inner.slice(at).trim())}`);
    fields.set(match[1], match[2].trim());
  }
  return fields;
}

/** Keys and values of lines `a: 1`; a list may also stand on lines `- 1` of its own. */
function blockFields(body: string): Map<string, string> {
  const fields = new Map<string, string>();
  let key: string | undefined;
  for (const line of body.split('\n').map((one) => one.trim())) {
    const field = /^["']?(\w+)["']?\s*:\s*(.*)$/.exec(line);
    if (field !== null) {
      key = field[1];
      fields.set(key, field[2]);
    } else if (line !== '') {
      if (key === undefined) throw invalid(`${NAME} cannot be read at ${shown(line)}`);
      fields.set(key, `${fields.get(key)} ${line}`);
    }
  }
  return fields;
}

function batchSizes(text: string | undefined): number[] | null {
  if (text === undefined || text === 'null' || text === '~') return null;
  const list = /^\s*\[([^\]]*)\]$/.exec(text)?.[1] ?? /^\s*-\s(.*)$/.exec(text)?.[1].replaceAll(/\s-\s/g, ',');
  if (list === undefined) throw invalid(`batch_sizes is ${shown(text)}; it must be a list`);
  const items = list.split(',').map((item) => item.trim());
  return items
    .filter((item, index) => item !== '' || index < items.length - 1)
    .map((item) => sizeOf(item, 'batch_sizes'));
}

function maxBatch(text = '0'): number {
  return text === '0' ? 0 : sizeOf(text, 'max_batch_size');
}

function truth(text = 'false'): boolean {
  if (/^true$/i.test(text)) return true;
  if (/^false$/i.test(text)) return false;
  throw invalid(`enable_padding is ${shown(text)}; it must be true or false`);
}

function check(config: TrtllmGraphConfig): TrtllmGraphConfig {
  const { batchSizes: sizes, maxBatch: most } = config;
  if (sizes !== null && sizes.length > 0 && most > 0 && most !== Math.max(...sizes)) {
    throw invalid(
      `max_batch_size is ${most} and the largest of batch_sizes ${Math.max(...sizes)}; give one of the two`,
    );
  }
  return config;
}

function invalid(fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `This TensorRT-LLM configuration cannot be read: ${fault}`, { fault });
}
