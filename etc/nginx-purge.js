// Removes an answer from the cache of etc/nginx-cache.conf: nginx names the file of an answer by the MD5 of its key.

import crypto from 'crypto';
import fs from 'fs';

const CACHE = '/var/cache/nginx/imaged';    // here: the folder of proxy_cache_path, whose levels are 1:2
const FORMATS = ['', 'image/avif,', 'image/webp,', 'image/avif,image/webp,'];

function purge(r) {
    const path = r.variables.imaged_purged;
    let found = false;
    FORMATS.forEach(formats => {
        const name = crypto.createHash('md5').update(`${path} ${formats}`).digest('hex');
        try {
            fs.unlinkSync(`${CACHE}/${name.slice(-1)}/${name.slice(-3, -1)}/${name}`);
            found = true;
        } catch (error) {
            if (error.code !== 'ENOENT') {
                throw error;                // nginx answers 500, and imaged tries again
            }
        }
    });
    r.return(found ? 200 : 404);
}

export default { purge };
