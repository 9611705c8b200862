import { checkArguments, withoutUndefined } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { ENGINE_NAMES, type EngineName } from '../../names.js';
import { CommandLine } from '../command-line.js';
import { LAUNCHES } from '../flags.js';
import { shellWords } from '../shell-words.js';
import { trtllmSettings } from '../trtllm/config.js';
import { completeProfile, type EngineProfile, PROFILE_FIELDS } from './engine-profile.js';

/** A profile that was read, and what of its text was not understood. */
export interface ReadProfile {
  /** What was understood. */
  readonly profile: EngineProfile;
  /** Flags and keys that decide nothing about graphs, as they were written. */
  readonly ignored: readonly string[];
  /** Those that are not known here: whether they matter to graphs cannot be said. */
  readonly unknown: readonly string[];
}

/** How the text of a profile is read. */
export interface ReadProfileOptions {
  /** Where in a YAML file of several servers the one is, as `path.to.the.server`. */
  readonly at?: string | undefined;
  /** The engine, where it is known; else the text must say it. */
  readonly engine?: EngineName;
  /** Limits that are given besides: the profile must be one that can be within them. */
  readonly limits?: Partial<Pick<EngineProfile, 'maxNumSeqs' | 'maxNumBatchedTokens' | 'maxModelLen' | 'queryLen'>>;
}

/** What starts each engine, as words of a command. */
const STARTERS: Readonly<Record<EngineName, readonly string[]>> = {
  vllm: ['vllm', 'vllm.entrypoints'],
  sglang: ['sglang', 'sglang.launch_server', 'sglang_router'],
  trtllm: ['trtllm-serve', 'trtllm-bench', 'trtllm-llmapi-launch'],
  megatron: ['megatron', 'run_dynamic_text_generation_server', 'gpt_dynamic_inference'],
  atom: ['atom', 'atom.entrypoints', 'atomesh'],
};

/** What the server of each engine defaults to where its line says nothing. */
const SERVER_LIMITS: Readonly<Partial<Record<EngineName, Partial<EngineProfile>>>> = {
  atom: { maxNumSeqs: 512, maxNumBatchedTokens: 16384 },
  trtllm: { maxNumSeqs: 2048, maxNumBatchedTokens: 8192 },
};

/** Parts of names of flags that have no bearing on which graphs are captured. */
const HARMLESS =
  /^--?(no-)?(m|model|tokenizer|served-model-name|port|host|server-port|api-key|trust-remote-code|download-dir|load-format|dtype|kv-cache-dtype|quantization|gpu-memory-utilization|mem-fraction-static|swap-space|seed|revision|chat-template|reasoning-parser|tool-call-parser|enable-auto-tool-choice|disable-log-requests|enable-log-requests|disable-log-stats|log-level|uvicorn-log-level|enable-prefix-caching|enable-chunked-prefill|block-size|page-size|max-log-len|enable-metrics|model-path|nnodes|node-rank|dist-init-addr|schedule-policy|random-seed|enable-expert-parallel|data-parallel-backend|data-parallel-address|async-scheduling|distributed-executor-backend|attention-backend|moe-backend|watchdog-timeout|stream-interval|limit-mm-per-prompt|hf-overrides|generation-config|kv-transfer-config|config|extra-llm-api-options|backend|decode-log-interval|cudagraph-metrics|disable-cascade-attn|gpus|ipc|name|rm|shm-size|env|volume|network|e|v|p|it|d|runtime)$/;

/** `engine@release`. */
const NAMED = /^([a-z]+)(?:@v?(\d{1,4}(?:\.\d{1,6}){0,3}))?$/;

/**
 * The profile that a text says: a name with or without a release (`vllm@0.12`), the command that starts the engine (`vllm serve …`), a
 * profile in JSON, or TensorRT-LLM's YAML with `trtllm-serve` left out. Errors: ERR_INPUT_INVALID for text that is none of these, and for
 * what the engine refuses; ERR_CONFIG_INVALID for a profile that cannot be.
 */
export function readProfile(text: string, options: ReadProfileOptions = {}): ReadProfile {
  checkArguments('readProfile', { text: [text, 'text'], options: [options, 'object'] });
  const read = profileOf(text, options);
  completeProfile({ ...read.profile, ...options.limits });
  return read;
}

function profileOf(text: string, options: ReadProfileOptions): ReadProfile {
  const trimmed = text.trim();
  const name = NAMED.exec(trimmed);
  if (name !== null && ENGINE_NAMES.includes(name[1] as EngineName)) return ofName(name[1] as EngineName, name[2]);
  if (trimmed.startsWith('{')) {
    const json = ofJson(trimmed);
    if (json !== null) return json;
  }
  if (options.engine === 'trtllm' || (/^\s*[\w"]+\s*:/m.test(trimmed.slice(0, 4096)) && !trimmed.startsWith('-'))) {
    if (options.engine === undefined || options.engine === 'trtllm') return ofYaml(trimmed, options.at);
  }
  const line = new CommandLine(trimmed);
  const words = shellWords(trimmed);
  const image = imageOf(words);
  const engine = options.engine ?? image?.engine ?? engineOf(words, line);
  if (engine === null) throw unknownText(text);
  if (engine === 'trtllm') return ofTrtllmLine(line);
  const read = ofLine(engine, line);
  const { release } = image ?? {};
  return release === undefined ? read : { ...read, profile: { release, ...read.profile } };
}

function ofName(engine: EngineName, release: string | undefined): ReadProfile {
  return {
    profile: { engine, ...SERVER_LIMITS[engine], ...(release !== undefined && { release }) },
    ignored: [],
    unknown: [],
  };
}

/** A profile in JSON; null for JSON of another kind. */
function ofJson(text: string): ReadProfile | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'engine')) return null;
  const known = Object.entries(value).filter(([key]) => PROFILE_FIELDS.includes(key));
  const unknown = Object.keys(value).filter((key) => !PROFILE_FIELDS.includes(key) && key !== 'schemaVersion');
  return { profile: Object.fromEntries(known) as unknown as EngineProfile, ignored: [], unknown };
}

function ofYaml(text: string, at: string | undefined): ReadProfile {
  const { profile, graphs, unread } = trtllmSettings(text, at);
  // Without the key graphs are on, and nothing is padded.
  const base = graphs ? {} : { padding: false };
  return { profile: { engine: 'trtllm', ...SERVER_LIMITS.trtllm, ...base, ...profile }, ignored: unread, unknown: [] };
}

function ofTrtllmLine(line: CommandLine): ReadProfile {
  const profile = {
    maxNumSeqs: line.integer('--max-batch-size'),
    maxNumBatchedTokens: line.integer('--max-num-tokens'),
    maxModelLen: line.integer('--max-seq-len'),
    tensorParallelSize: line.integer('--tp-size', '--tp'),
    pipelineParallelSize: line.integer('--pp-size', '--pp'),
    expertParallelSize: line.integer('--ep-size', '--ep'),
  };
  const own = withoutUndefined(profile);
  return { profile: { engine: 'trtllm', ...SERVER_LIMITS.trtllm, padding: false, ...own }, ...leftOver(line) };
}

function ofLine(engine: Exclude<EngineName, 'trtllm'>, line: CommandLine): ReadProfile {
  const { profile } = LAUNCHES[engine](line);
  const own = withoutUndefined(profile);
  return { profile: { engine, ...SERVER_LIMITS[engine], ...environment(line), ...own }, ...leftOver(line) };
}

/** What the environment before a command says. */
function environment(line: CommandLine): Partial<EngineProfile> {
  if (line.leading.includes('VLLM_USE_V2_MODEL_RUNNER=0')) return { runner: 'v1' };
  return line.leading.includes('VLLM_USE_V2_MODEL_RUNNER=1') ? { runner: 'v2' } : {};
}

function leftOver(line: CommandLine): Pick<ReadProfile, 'ignored' | 'unknown'> {
  const unread = line.unread();
  return {
    ignored: unread.filter(({ name }) => HARMLESS.test(name)).map(({ text }) => text),
    unknown: unread.filter(({ name }) => !HARMLESS.test(name)).map(({ text }) => text),
  };
}

/** The engine and the release of a container image. */
function imageOf(words: readonly string[]): { engine: 'vllm' | 'sglang' | 'atom'; release?: string } | null {
  for (const word of words) {
    const [, engine, release] =
      /^(?:[\w.-]+\/)*(vllm|sglang|atom)(?:-openai)?(?::v?(\d{1,4}(?:\.\d{1,6}){1,3})?[\w.-]*)$/.exec(word) ?? [];
    if (engine === undefined) continue;
    return { engine: engine as 'vllm' | 'sglang' | 'atom', ...(release !== undefined && { release }) };
  }
  return null;
}

/** The engine that a command starts, by its program or module; else by flags that one engine alone has. */
function engineOf(words: readonly string[], line: CommandLine): EngineName | null {
  for (const word of words) {
    if (word.startsWith('-')) continue;
    const base = word.slice(word.lastIndexOf('/') + 1).replace(/\.py$/, '');
    for (const engine of ENGINE_NAMES) {
      if (STARTERS[engine].some((starter) => base === starter || base.startsWith(`${starter}.`))) return engine;
    }
  }
  const [name] = line.unread().filter(({ name: flag }) => flag.startsWith('--inference-dynamic-batching'));
  return name === undefined ? null : 'megatron';
}

function unknownText(text: string): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${shown(text)} names no engine: give one of ${ENGINE_NAMES.join(', ')}, with a release if you like (vllm@0.12), the command that starts it ("vllm serve …"), or a profile in JSON`,
    { names: ENGINE_NAMES },
  );
}
