// Serve the pictures of a folder with ipx: `ipx_server.mjs MODULES FOLDER PORT PROGRESSIVE`.
import { createRequire } from "node:module";
import { createServer } from "node:http";

const [modules, dir, port, progressive] = process.argv.slice(2);
const { createIPX, createIPXNodeServer, ipxFSStorage } = createRequire(`${modules}/`)("ipx");
const ipx = createIPX({ storage: ipxFSStorage({ dir }), sharpOptions: { jpegProgressive: progressive === "true" } });
createServer(createIPXNodeServer(ipx)).listen(Number(port), "127.0.0.1");
