import { shown } from '../../errors.js';
import {
  type CompiledKernel,
  type Count,
  type Fields,
  type FileArgument,
  fieldsOf,
  type GridCount,
  type KernelFile,
} from './kernel-file.js';

/** The one version of the manifest so far. */
const SCHEMA_VERSION = 1;
const LAUNCH_FIELDS = ['symbol', 'image', 'target', 'block', 'sharedBytes', 'cluster', 'cooperative'] as const;
const MOST_ARGUMENTS = 32;

/** A kernel of a manifest whose launch another file describes: Triton's JSON, with the fields of it to ignore. */
export interface TritonReference {
  readonly file: string;
  readonly ignore: readonly string[];
}

/** A kernel of a manifest: what is known of its arguments and grid, and its launch or where that is described. */
export interface ManifestKernel extends Pick<KernelFile, 'name' | 'arguments' | 'grid'> {
  readonly compiled: CompiledKernel | TritonReference;
}

/**
 * Reads a manifest of kernels: `{ schemaVersion: 1, kernels: [{ name, arguments, grid, … }] }`. Each kernel states its launch itself
 * (`symbol`, `image`, `target`, `block`, and where they matter `sharedBytes`, `cluster`, `cooperative`) or names Triton's file
 * (`triton`, and `ignore`). Least sizes and grids are counts over its scalar arguments.
 * @throws `ERR_INPUT_INVALID` with `path` and `field`.
 */
export function parseManifest(text: string, source: string): ManifestKernel[] {
  const fields = fieldsOf(text, source);
  const version = fields.value('schemaVersion');
  if (version !== SCHEMA_VERSION) {
    throw fields.refuse('schemaVersion', `is ${shown(version)}; this version of Lockstep reads ${SCHEMA_VERSION}`);
  }
  fields.only(['schemaVersion', 'kernels']);
  const kernels = fields.objects('kernels').map(parseKernel);
  for (const [index, { name }] of kernels.entries()) {
    if (kernels.findIndex((other) => other.name === name) === index) continue;
    throw fields.refuse(`kernels[${index}].name`, `is ${shown(name)}, as that of a kernel before it`);
  }
  return kernels;
}

function parseKernel(fields: Fields): ManifestKernel {
  const triton = fields.has('triton');
  fields.only(['name', 'arguments', 'grid', ...(triton ? ['triton', 'ignore'] : LAUNCH_FIELDS)]);
  const items = fields.objects('arguments');
  if (items.length > MOST_ARGUMENTS) {
    throw fields.refuse('arguments', `are ${items.length}; a kernel has at most ${MOST_ARGUMENTS}`);
  }
  const scalars = items.filter((item) => isScalar(item.value('kind'))).map((item) => item.text('name'));
  const args = items.map((item) => parseArgument(item, scalars));
  const grid = fields.list('grid');
  if (grid.length !== 3) throw fields.refuse('grid', `has ${grid.length} dimensions; give three`);
  const counted = grid.map((value, index) => gridCount(fields, `grid[${index}]`, value, scalars));
  const ignore = fields.has('ignore') ? fields.list('ignore') : [];
  if (!ignore.every((name) => typeof name === 'string')) throw fields.refuse('ignore', 'must hold names of fields');
  return {
    name: fields.text('name'),
    arguments: args,
    grid: counted as [GridCount, GridCount, GridCount],
    compiled: triton ? { file: fields.text('triton'), ignore } : parseLaunch(fields),
  };
}

function parseLaunch(fields: Fields): CompiledKernel {
  const arch = fields.text('target');
  const backend = /^sm_\d+[af]?$/.test(arch) ? 'cuda' : /^gfx[0-9a-f]+(?::[\w+-]+)*$/.test(arch) ? 'hip' : null;
  if (backend === null) throw fields.refuse('target', `is ${shown(arch)}; it must be such as "sm_90" or "gfx942"`);
  const block = fields.dimensions('block');
  if (block[0] * block[1] * block[2] > 1024)
    throw fields.refuse('block', `has ${block.join(' * ')} threads; at most 1024`);
  return {
    symbol: fields.text('symbol'),
    image: fields.text('image'),
    target: { backend, arch, warpSize: backend === 'cuda' || /^gfx1/.test(arch) ? 32 : 64 },
    block,
    sharedBytes: fields.integer('sharedBytes', 0, 2 ** 31 - 1, 0),
    cluster: fields.dimensions('cluster'),
    cooperative: fields.flag('cooperative'),
    scratch: [],
  };
}

function parseArgument(fields: Fields, scalars: readonly string[]): FileArgument {
  const name = fields.text('name');
  const kind = fields.value('kind');
  if (isScalar(kind)) {
    fields.only(['name', 'kind']);
    return { name, kind };
  }
  if (kind !== 'in' && kind !== 'out' && kind !== 'inout') {
    throw fields.refuse('kind', `is ${shown(kind)}; it must be "in", "out", "inout", "i32" or "i64"`);
  }
  fields.only(['name', 'kind', 'elementBytes', 'least']);
  const elementBytes = fields.integer('elementBytes', 1, 64);
  if ((elementBytes & (elementBytes - 1)) !== 0)
    throw fields.refuse('elementBytes', `is ${elementBytes}, no power of two`);
  return { name, kind, elementBytes, least: count(fields, 'least', fields.value('least'), scalars) };
}

function isScalar(kind: unknown): kind is 'i32' | 'i64' {
  return kind === 'i32' || kind === 'i64';
}

function gridCount(fields: Fields, place: string, value: unknown, scalars: readonly string[]): GridCount {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return count(fields, place, value, scalars);
  const rule = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(rule).sort().join();
  if (names !== 'of,per') throw fields.refuse(place, `has ${names || 'no fields'}; a covering count has of and per`);
  const per = count(fields, `${place}.per`, rule.per, scalars);
  return { of: count(fields, `${place}.of`, rule.of, scalars), per };
}

function count(fields: Fields, place: string, value: unknown, scalars: readonly string[]): Count {
  for (const factor of Array.isArray(value) ? value : [value]) {
    if (typeof factor === 'string' && scalars.includes(factor)) continue;
    if (Number.isInteger(factor) && (factor as number) >= 0) continue;
    const known = scalars.length === 0 ? 'there is no scalar argument' : `scalar arguments are ${scalars.join(', ')}`;
    throw fields.refuse(place, `has ${shown(factor)}; give integers and names of scalars: ${known}`);
  }
  return value as Count;
}
