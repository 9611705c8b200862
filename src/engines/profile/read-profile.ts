import { checkArguments, withoutUndefined } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { ENGINE_NAMES, type EngineName } from '../../names.js';
import { CommandLine } from '../command-line.js';
import { containerLine } from '../container-manifest.js';
import { LAUNCHES } from '../flags.js';
import { launchCommand } from '../launch-command.js';
import { trtllmSettings } from '../trtllm/config.js';
import { runsDeepEp, VLLM_VARIABLES, vllmEnvironment, vllmSizesOf } from '../vllm/launch.js';
import { completeProfile, type EngineProfile, GPU_MEMORY_GB, PROFILE_FIELDS } from './engine-profile.js';

/** A profile that was read, and what of its text was not understood. */
export interface ReadProfile {
  /** What was understood. */
  readonly profile: EngineProfile;
  /** Flags and keys that decide nothing about graphs, as they were written. */
  readonly ignored: readonly string[];
  /** Those that are not known here: whether they matter to graphs cannot be said. */
  readonly unknown: readonly string[];
  /** A file of settings that the line of TensorRT-LLM names, as it is written there. Whoever reads it gives its text with `over`. */
  readonly configFile?: string;
}

/** How the text of a profile is read. */
export interface ReadProfileOptions {
  /** Where in a YAML file of several servers the one is, as `path.to.the.server`. */
  readonly at?: string | undefined;
  /** The engine, where it is known; else the text must say it. */
  readonly engine?: EngineName;
  /** What the line said that names this text's file; its keys come before. */
  readonly over?: EngineProfile;
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

/**
 * What the server of an engine defaults to on a GPU, where its line says nothing. Source: vLLM `EngineArgs`, its batch defaults by usage: 1024
 * requests on GPUs of 70 GB or more but A100, else 256.
 */
export function serverLimits({ engine, gpu }: EngineProfile): Partial<EngineProfile> {
  const large = gpu !== undefined && gpu !== 'a100' && GPU_MEMORY_GB[gpu] >= 70;
  return engine === 'vllm' && large ? { maxNumSeqs: 1024 } : {};
}

/** Parts of names of flags that have no bearing on which graphs are captured. */
const HARMLESS =
  /^--?(no-)?(m|model|tokenizer|served-model-name|port|host|server-port|api-key|trust-remote-code|download-dir|load-format|dtype|kv-cache-dtype|quantization|gpu-memory-utilization|mem-fraction-static|swap-space|seed|revision|chat-template|reasoning-parser|tool-call-parser|enable-auto-tool-choice|disable-log-requests|enable-log-requests|disable-log-stats|log-level|uvicorn-log-level|enable-prefix-caching|enable-chunked-prefill|block-size|page-size|max-log-len|enable-metrics|model-path|nnodes|node-rank|dist-init-addr|schedule-policy|random-seed|enable-expert-parallel|data-parallel-backend|data-parallel-address|async-scheduling|distributed-executor-backend|attention-backend|moe-backend|watchdog-timeout|stream-interval|limit-mm-per-prompt|hf-overrides|generation-config|override-generation-config|headless|data-parallel-size-local|data-parallel-start-rank|data-parallel-rpc-port|api-server-count|speculative-draft-model-path|speculative-draft-model|kv-transfer-config|backend|decode-log-interval|cudagraph-metrics|disable-cascade-attn|gpus|entrypoint|ipc|name|rm|shm-size|env|volume|network|e|v|p|it|d|runtime)$/;

/** `engine@release`. */
const NAMED = /^([a-z]+)(?:@v?(\d{1,4}(?:\.\d{1,6}){0,3})(?:(?:\.post|\.dev|rc|\+)[\w.]{1,40})?)?$/;

/**
 * The profile that a text says: a name with or without a release (`vllm@0.12`), the command that starts the engine (`vllm serve …`), a
 * profile in JSON, or TensorRT-LLM's YAML with `trtllm-serve` left out. Errors: ERR_INPUT_INVALID for text that is none of these, and for
 * what the engine refuses; ERR_CONFIG_INVALID for a profile that cannot be.
 */
export function readProfile(text: string, options: ReadProfileOptions = {}): ReadProfile {
  checkArguments('readProfile', { text: [text, 'text'], options: [options, 'object'] });
  const { at } = options;
  if (at !== undefined) checkArguments('readProfile', { at: [at, 'text'] });
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
  const isOpen = options.engine === undefined && options.over === undefined;
  const container = isOpen ? containerLine(trimmed, startsEngine) : null;
  if (container !== null) return profileOf(container, options);
  if (options.engine === 'trtllm' || (/^\s*[\w"]+\s*:/m.test(trimmed.slice(0, 4096)) && !trimmed.startsWith('-'))) {
    if (options.engine === undefined || options.engine === 'trtllm') return ofYaml(trimmed, options);
  }
  const { words, environment, unresolved } = launchCommand(trimmed, startsEngine);
  refuseClient(words);
  const line = new CommandLine(words);
  const image = imageOf(words);
  const engine = options.engine ?? image?.engine ?? engineOf(words, line);
  if (engine === null) throw unknownText(text);
  // Variables are listed by their names below.
  line.has('-e', '--env');
  const named = variables(environment);
  const told = { ...named, unknown: [...named.unknown, ...unresolved] };
  if (engine === 'trtllm') return withVariables(ofTrtllmLine(line), told);
  const read = withVariables(ofLine(engine, line, environment), told);
  const { release } = image ?? {};
  if (release === undefined) return read;
  const sizes = engine === 'vllm' ? vllmSizesOf(line, release) : {};
  return { ...read, profile: { release, ...read.profile, ...sizes } };
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

function ofYaml(text: string, { at, over, engine }: ReadProfileOptions): ReadProfile {
  const explicit = engine !== undefined || over !== undefined;
  const { profile, graphs, attentionDp, unread, unknown } = trtllmSettings(text, at);
  // Other engines and tools have YAML too.
  if (!graphs && Object.keys(withoutUndefined(profile)).length === 0) {
    if (!explicit) throw unknownText(text);
    if (containerLine(text, startsEngine) !== null) throw containerText(text);
  }
  // Without the key graphs are on, and nothing is padded.
  const base = graphs ? {} : { padding: false };
  const line = over?.engine === 'trtllm' ? over : { ...SERVER_LIMITS.trtllm, ...base };
  const whole: EngineProfile = { ...line, engine: 'trtllm', ...profile };
  // Limits are those of a rank.
  const ranks = attentionDp ? { dataParallelSize: whole.tensorParallelSize ?? 1 } : {};
  return { profile: { ...whole, ...ranks }, ignored: unread, unknown };
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
  const configFile = line.value('--extra-llm-api-options', '--config');
  return {
    ...(configFile !== undefined && { configFile }),
    profile: { engine: 'trtllm', ...SERVER_LIMITS.trtllm, padding: false, ...own },
    ...leftOver(line),
  };
}

function ofLine(
  engine: Exclude<EngineName, 'trtllm'>,
  line: CommandLine,
  environment: ReadonlyMap<string, string>,
): ReadProfile {
  const { profile } = LAUNCHES[engine](line);
  const own = withoutUndefined(profile);
  return {
    profile: {
      ...{ engine, ...SERVER_LIMITS[engine], ...(engine === 'vllm' && vllmEnvironment(environment)), ...own },
      ...(engine === 'vllm' && runsDeepEp(line, environment) && { graphMode: 'NONE' as const }),
    },
    ...leftOver(line),
  };
}

/** Variables of engines that decide nothing about graphs. */
const HARMLESS_VARIABLE =
  /^VLLM_(LOGGING_\w+|LOG_\w+|CONFIGURE_LOGGING|API_KEY|HOST_IP|PORT|CACHE_ROOT|CONFIG_ROOT|ASSETS_CACHE|USAGE_\w+|NO_USAGE_STATS|DO_NOT_TRACK|HTTP_\w+|USE_MODELSCOPE|ALLOW_LONG_MAX_MODEL_LEN|ENGINE_ITERATION_TIMEOUT_S|RPC_TIMEOUT|WORKER_MULTIPROC_METHOD)$/;

/** Variables of a command: of engines those that are read, and by their names those that may matter and those that do not. Values can be secrets. */
function variables(environment: ReadonlyMap<string, string>): Pick<ReadProfile, 'ignored' | 'unknown'> {
  const names = [...environment.keys()].filter((name) => !VLLM_VARIABLES.includes(name));
  const matters = (name: string): boolean =>
    /^(VLLM|SGLANG|SGL|TLLM|TRTLLM|ATOM)_/.test(name) &&
    !HARMLESS_VARIABLE.test(name) &&
    // Every release that is known here is of that engine.
    !(name === 'VLLM_USE_V1' && environment.get(name) === '1');
  return { ignored: names.filter((name) => !matters(name)), unknown: names.filter(matters) };
}

function withVariables(read: ReadProfile, told: Pick<ReadProfile, 'ignored' | 'unknown'>): ReadProfile {
  return { ...read, ignored: [...told.ignored, ...read.ignored], unknown: [...told.unknown, ...read.unknown] };
}

/** Whether a command names an engine, by its program or its image. */
function startsEngine(words: readonly string[]): boolean {
  return imageOf(words) !== null || starterOf(words) !== null;
}

/** The program that a command starts, as far as it names an engine. */
function starterOf(words: readonly string[]): { engine: EngineName; base: string; at: number } | null {
  for (const [at, word] of words.entries()) {
    if (word.startsWith('-')) continue;
    const base = word.slice(word.lastIndexOf('/') + 1).replace(/\.py$/, '');
    for (const engine of ENGINE_NAMES) {
      if (STARTERS[engine].some((starter) => base === starter || base.startsWith(`${starter}.`)))
        return { engine, base, at };
    }
  }
  return null;
}

/** Programs that ask a server or describe a machine: no graph is captured. */
const CLIENTS =
  /^(vllm (chat|complete|collect-env|bench serve|bench startup|bench sweep)|sglang\.bench_serving|sglang_router\.launch_router)( |$)/;

/** Errors: ERR_INPUT_INVALID for a command that runs no model. */
function refuseClient(words: readonly string[]): void {
  const starter = starterOf(words);
  if (starter === null) return;
  const command = [starter.base, ...words.slice(starter.at + 1, starter.at + 3)].join(' ');
  const client = CLIENTS.exec(command)?.[1];
  if (client === undefined) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `"${client}" runs no model, and so captures no graph: give the command that starts the server, such as "vllm serve …"`,
    { command: client },
  );
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
      /^(?:[\w.-]+(?::\d{1,5})?\/)*(vllm|sglang|atom)(?:-openai)?(?::(?:v|[\w.-]{0,60}_vllm_)?(\d{1,4}(?:\.\d{1,6}){1,3})?[\w.-]*(?:@sha256:\w{1,64})?|@sha256:\w{1,64})$/.exec(
        word,
      ) ?? [];
    if (engine === undefined) continue;
    // A year and a month, as NVIDIA tags its images, are no release of the engine.
    const known = release !== undefined && !/^2\d\.\d\d$/.test(release);
    return { engine: engine as 'vllm' | 'sglang' | 'atom', ...(known && { release }) };
  }
  return null;
}

/** The engine that a command starts, by its program or module; else by flags that one engine alone has. */
function engineOf(words: readonly string[], line: CommandLine): EngineName | null {
  const starter = starterOf(words);
  if (starter !== null) return starter.engine;
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

function containerText(text: string): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${shown(text.slice(0, 80))} is a container that starts an engine, and no configuration of TensorRT-LLM: give it as --engine`,
    {},
  );
}
