import { shown } from '../../errors.js';
import { type CompiledKernel, type Fields, fieldsOf } from './kernel-file.js';

/** Fields that say how a kernel was compiled, and nothing about its launch. */
const INERT: ReadonlySet<string> = new Set([
  'allow_flush_denorm',
  'allow_fp8e4nv',
  'allowed_dot_input_precisions',
  'arch',
  'backend_name',
  'debug',
  'default_dot_input_precision',
  'deprecated_fp8_dot_operand_dtypes',
  'deprecated_fp8_dtypes',
  'enable_fp_fusion',
  'enable_reflect_ftz',
  'extern_libs',
  'hash',
  'instruction_sched_variant',
  'instrumentation_mode',
  'ir_override',
  'kpack',
  'matrix_instr_nonkdim',
  'max_num_imprecise_acc_default',
  'maxnreg',
  'num_buffers_warp_spec',
  'num_stages',
  'ptx_options',
  'ptx_version',
  'reg_dec_producer',
  'reg_inc_consumer',
  'sanitize_overflow',
  'schedule_hint',
  'supported_fp8_dtypes',
  'tmem_size',
  'triton_version',
  'waves_per_eu',
]);

/** Fields that the launch is made of. A launch by its programmatic dependency may be an ordinary one: it only waits longer. */
const READ: ReadonlySet<string> = new Set([
  'cluster_dims',
  'global_scratch_align',
  'global_scratch_size',
  'launch_cooperative_grid',
  'launch_pdl',
  'name',
  'num_ctas',
  'num_warps',
  'profile_scratch_align',
  'profile_scratch_size',
  'shared',
  'target',
  'warp_size',
]);

/** Fields that change a launch in a way that is not supported, unless they are empty, 0 or false. */
const UNSUPPORTED: readonly string[] = ['enable_warp_specialization', 'num_consumer_groups', 'tensordesc_meta'];

const MOST_THREADS = 1024;
const MOST_BYTES = 2 ** 31 - 1;

/**
 * What Triton (3.0 and newer) says of a compiled kernel in `<stem>.json`, beside `<stem>.cubin` or `<stem>.hsaco`. A field that is not
 * known may change the launch, so it is refused unless `ignore` names it. The file does not list arguments: a manifest does.
 * @throws `ERR_INPUT_INVALID` with `path` and `field`.
 * Source: the launchers of Triton's NVIDIA and AMD backends.
 */
export function parseTriton(text: string, source: string, ignore: readonly string[] = []): CompiledKernel {
  const fields = fieldsOf(text, source);
  for (const name of fields.names) {
    if (INERT.has(name) || READ.has(name) || ignore.includes(name)) continue;
    if (!UNSUPPORTED.includes(name)) {
      throw fields.refuse(
        name,
        'is not a field that is known here; if it does not change the launch, name it in "ignore"',
      );
    }
    if (!isEmpty(fields.value(name))) throw fields.refuse(name, 'asks for a launch that is not supported');
  }
  const target = targetOf(fields);
  const warps = fields.integer('num_warps', 1, MOST_THREADS / target.warpSize);
  return {
    symbol: fields.text('name'),
    image: imageOf(source, target.backend),
    target,
    block: [warps * target.warpSize, 1, 1],
    sharedBytes: fields.integer('shared', 0, MOST_BYTES),
    cluster: clusterOf(fields),
    cooperative: fields.flag('launch_cooperative_grid'),
    scratch: ['global_scratch', 'profile_scratch'].map((name) => ({
      bytes: fields.integer(`${name}_size`, 0, MOST_BYTES, 0),
      align: fields.integer(`${name}_align`, 1, MOST_BYTES, 1),
    })),
  };
}

function targetOf(fields: Fields): CompiledKernel['target'] {
  if (!fields.has('target')) throw fields.refuse('target', 'is missing: compile the kernel with Triton 3.0 or newer');
  const target = fields.object('target');
  const backend = target.text('backend');
  if (backend !== 'cuda' && backend !== 'hip')
    throw target.refuse('backend', `is ${shown(backend)}; it must be "cuda" or "hip"`);
  const warpSize = target.integer('warp_size', 32, 64);
  const stated = fields.integer('warp_size', 32, 64, warpSize);
  if (stated !== warpSize) throw fields.refuse('warp_size', `is ${stated}, the target's is ${warpSize}`);
  const arch = backend === 'cuda' ? `sm_${target.integer('arch', 10, 9999)}` : target.text('arch');
  return { backend, arch, warpSize };
}

function clusterOf(fields: Fields): [number, number, number] {
  const cluster = fields.dimensions('cluster_dims');
  const blocks = cluster[0] * cluster[1] * cluster[2];
  const ctas = fields.integer('num_ctas', 1, 16, blocks);
  if (blocks === 1) return [ctas, 1, 1];
  if (ctas !== 1 && ctas !== blocks) throw fields.refuse('num_ctas', `is ${ctas}, cluster_dims make it ${blocks}`);
  return cluster;
}

function imageOf(source: string, backend: 'cuda' | 'hip'): string {
  const file = source.slice(source.lastIndexOf('/') + 1);
  return `${file.replace(/\.json$/, '')}.${backend === 'cuda' ? 'cubin' : 'hsaco'}`;
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === null || value === 0 || value === false;
}
