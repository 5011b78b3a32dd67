// The one use of pino. Lines are JSON or text; every string in them is redacted, escaped and bounded.

import { fstatSync } from 'node:fs';
import pino from 'pino';
import { ProxyError } from '../core/errors.ts';
import { DescriptorWriter, LogSink } from './log-sink.ts';
import { presentable } from './redact.ts';

/** The levels, least important first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** What a log line says beside its sentence. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined | Error>>;

/** One sentence without a full stop, and what it is about as fields. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Level, format, and where lines go. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'text';
  readonly sink: LogSink;
}

/** Linux writes so many bytes into a pipe in one piece, or not at all (pipe(7)). */
const PIPE_BUF = 4096;

/** A log that says nothing, for tests. */
export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A log on pino; warnings and errors are handed over at once, the rest within 100 ms. */
export function createLog(options: LogOptions): Log {
  const { sink } = options;
  const text = { write: (line: string) => sink.write(textLine(JSON.parse(line))) };
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      // pino's own function writes `,"time":"…"`; the line then begins with the level, as JSON does not care.
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    options.format === 'json' ? sink : text,
  );
  const write = (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (!logger.isLevelEnabled(level)) return;
    logger[level](presentableFields(fields), presentable(message));
    if (level === 'warn' || level === 'error') sink.handOver();
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}

/** Names that the line itself uses, so that a field cannot take their place. */
const RESERVED: ReadonlySet<string> = new Set(['time', 'level', 'message']);

function presentableFields(fields: LogFields): Record<string, string | number | boolean | null> {
  const shown: Record<string, string | number | boolean | null> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const name = RESERVED.has(key) ? `${key}_` : key;
    if (value instanceof Error) shown[name] = presentable(describe(value));
    else shown[name] = typeof value === 'string' ? presentable(value) : value;
  }
  return shown;
}

/** An expected failure by its sentence, any other error with its stack on one line; causes behind it. */
function describe(error: Error): string {
  const own = error instanceof ProxyError ? `${error.code}: ${error.message}` : (error.stack ?? String(error));
  const line = own.replaceAll(/\n\s*/g, ' | ');
  return error.cause instanceof Error ? `${line} (cause: ${error.cause.message})` : line;
}

/** Lines to a file descriptor; 1 is standard output. `process.on('exit', () => sink.flush())` is the caller's. */
export function openSink(descriptor: number): LogSink {
  return new LogSink(new DescriptorWriter(descriptor));
}

/**
 * The same for a descriptor into which other processes write too: their lines and ours stay whole. A file takes any
 * number of bytes in one piece; small pieces cost a busy worker three times the processor time for each line.
 */
export function openSharedSink(descriptor: number): LogSink {
  const isFile = fstatSync(descriptor).isFile();
  return new LogSink(new DescriptorWriter(descriptor, isFile ? Number.POSITIVE_INFINITY : PIPE_BUF));
}

// One log line for people: `2026-11-22T19:32:29.000Z WARN  message key=value`. Lines for programs are JSON.

type Value = string | number | boolean | null;

/** `value` as it stands in a text line: quoted when it would not read as one word. Values have no control characters. */
function word(value: Value): string {
  return typeof value === 'string' && !/^[^\s"=]+$/.test(value) ? JSON.stringify(value) : String(value);
}

/** A text line with its newline, from what the JSON line would hold. */
export function textLine(line: { readonly time: string; readonly level: string; readonly message: string }): string {
  const { time, level, message, ...fields } = line;
  const pairs = Object.entries<Value>(fields).map(([name, value]) => ` ${name}=${word(value)}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${message}${pairs.join('')}\n`;
}
