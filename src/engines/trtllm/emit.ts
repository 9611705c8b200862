/** Values of a document as they stand in YAML. */
type YamlValue = number | boolean | readonly number[] | { readonly [key: string]: YamlValue };
type YamlMapping = Readonly<Record<string, YamlValue>>;

/** The settings of graphs of decodes and, where there are `prefills`, of steps that hold one: requests and tokens, ascending. */
export function trtllmSizes(requests: readonly number[], prefills: readonly number[]): YamlMapping {
  const pieces = { enable_piecewise_cuda_graph: true, capture_num_tokens: prefills };
  return {
    cuda_graph_config: { batch_sizes: requests, enable_padding: true },
    ...(prefills.length > 0 && { torch_compile_config: pieces }),
  };
}

/** The settings of drafts by batch size: those of the batches up to `to` requests. */
export function trtllmDrafts(tiers: readonly { readonly to: number; readonly drafts: number }[]): YamlMapping {
  const schedule = Object.fromEntries(tiers.map(({ to, drafts }) => [to, drafts]));
  return { speculative_config: { draft_len_schedule: schedule } };
}

/** A document as YAML, a line for each of its keys. */
export function yamlLines(document: YamlMapping): string {
  return pairs(document).join('\n');
}

function pairs(mapping: YamlMapping): string[] {
  return Object.entries(mapping).map(([key, value]) => `${key}: ${inFlow(value)}`);
}

function inFlow(value: YamlValue): string {
  if (typeof value !== 'object') return String(value);
  return isList(value) ? `[${value.join(', ')}]` : `{${pairs(value).join(', ')}}`;
}

function isList(value: object): value is readonly number[] {
  return Array.isArray(value);
}
