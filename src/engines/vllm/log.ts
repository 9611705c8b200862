import type { LogBatch, LogLineReader } from '../log-batch.js';

/** `- Mode: CUDAGraphMode.FULL_AND_PIECEWISE`: the rows after this line have that mode. */
const SETTING = /- Mode: (?:CUDAGraphMode\.)?(NONE|PIECEWISE|FULL|FULL_DECODE_ONLY|FULL_AND_PIECEWISE)\b/;

/** Unpadded tokens, padded tokens, paddings, runtime mode, count. */
const ROW = /\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(?:CUDAGraphMode\.)?(NONE|PIECEWISE|FULL)\s*\|\s*(\d+)\s*\|/;

const MODES = { NONE: 'eager', PIECEWISE: 'piecewise', FULL: 'full' } as const;

/** Modes in which full graphs hold decodes alone. */
const DECODES_APART = ['FULL_AND_PIECEWISE', 'FULL_DECODE_ONLY'];

/**
 * Rows of the tables that vLLM logs with `--cudagraph-metrics`, each of which counts the steps since the last table. A row
 * has no phase: full graphs hold decodes alone where the mode says so, all else may hold prefills. A log without a mode
 * is taken to have vLLM's default, FULL_AND_PIECEWISE. A row also counts without its table's header, which log rotation may have cut off.
 * Source: vLLM `CUDAGraphLogging`.
 */
export function vllmLogReader(): LogLineReader {
  let decodesApart = true;
  return (line) => {
    const setting = SETTING.exec(line);
    if (setting !== null) decodesApart = DECODES_APART.includes(setting[1]);
    const row = ROW.exec(line);
    if (row === null) return null;
    const [tokens, padded, paddings, count] = [row[1], row[2], row[3], row[5]].map(Number);
    if (tokens < 1 || padded - tokens !== paddings || count < 1) return null;
    const mode: LogBatch['mode'] = MODES[row[4] as keyof typeof MODES];
    return { phase: decodesApart && mode === 'full' ? 'decode' : 'mixed', tokens, padded, mode, count };
  };
}
