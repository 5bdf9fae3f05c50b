// Serve the pictures of a folder with ipx: `ipx_server.mjs MODULES FOLDER PORT PROGRESSIVE`.
import { createRequire } from "node:module";
import { createServer } from "node:http";

const [modules, dir, port, progressive] = process.argv.slice(2);
const { createIPX, createIPXNodeServer, ipxFSStorage } = createRequire(`${modules}/`)("ipx");
// ipx has no setting for progressive JPEGs; sharp takes this one from the options that ipx passes on.
const sharpOptions = progressive === "true" ? { jpegProgressive: true } : {};
const ipx = createIPX({ storage: ipxFSStorage({ dir }), sharpOptions });
createServer(createIPXNodeServer(ipx)).listen(Number(port), "127.0.0.1");
