// Who may use the server: the gate, and the file behind it, which may change while we run.

import { readFile } from 'node:fs/promises';
import { type ClientAddress, clientNetwork } from '../access/client-address.ts';
import { ClientGate } from '../access/client-gate.ts';
import { ClientList } from '../access/client-list.ts';
import { ReloadedFiles } from '../access/reloaded-files.ts';
import type { Config } from '../config/config.ts';
import type { Basics } from './context.ts';

/** The gate, which goes on with a changed list of clients. */
export interface CurrentClients {
  readonly gate: ClientGate;
  close(): void;
}

/** Reads `clients_file` and watches it. Rejects when it cannot be used at the start. */
export async function openClients(
  { file, content }: NonNullable<Config['clients']>,
  addresses: ClientAddress,
  { log, metrics, now }: Basics,
): Promise<CurrentClients> {
  const gate = new ClientGate({
    clients: new ClientList(content),
    now,
    addressOf: ({ request }) => clientNetwork(addresses.of(request)),
    onRefused: (reason) => metrics.meters.rejectedRequests.inc({ reason }),
  });
  let current = content;
  const files = new ReloadedFiles({
    paths: [file],
    read: async () => {
      const text = await readFile(file, 'utf8');
      return { text, clients: new ClientList(text) };
    },
    onChange: ({ text, clients }) => {
      if (text === current) return;
      current = text;
      gate.replace(clients);
      log.info('the list of clients was exchanged', { file, clients: clients.size });
    },
    onFailure: ({ message }) =>
      log.error('the new list of clients cannot be used, the one before stays', { file, reason: message }),
  });
  await files.start();
  return { gate, close: () => files.close() };
}
