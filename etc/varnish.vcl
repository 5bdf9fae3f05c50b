vcl 4.1;

# Varnish before imaged: it keeps what imaged lets caches keep, and removes a picture when imaged says so.
#
# Adapt the lines that end in "# here". In imaged's settings:
#
#   purgers: [purge]
#   plugins: {purge: {urls: ["http://127.0.0.1:6081"], method: BAN}}

backend imaged {
    .host = "127.0.0.1";                    # here
    .port = "7000";                         # here
}

# Where a proxy on one of these addresses ends TLS before Varnish, its clients have that address: let it refuse PURGE and BAN.
acl imaged_purgers {
    "127.0.0.1";                            # here: where imaged runs
    "::1";
}

sub vcl_recv {
    # BAN: all answers of a picture, by the tag that imaged gives each of them. PURGE: those of one path.
    if (req.method == "BAN" || req.method == "PURGE") {
        if (client.ip !~ imaged_purgers) {
            return (synth(403));
        }
        if (req.method == "PURGE") {
            return (purge);
        }
        if (req.http.Cache-Tag !~ "^[a-z0-9_]+-[0-9a-f]{32}$") {
            return (synth(400));
        }
        ban("obj.http.Cache-Tag == " + req.http.Cache-Tag);
        return (synth(200));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # Each browser writes Accept in its own way. For an `.auto` output, what it says about AVIF and WebP matters alone.
    if (req.url ~ "\.auto(\?|$)") {
        set req.http.X-Formats = "";
        if (req.http.Accept ~ "(?i)(^|,)[ \t]*image/avif[ \t]*(,|$|;[ \t]*q=(1|0\.[0-9]*[1-9]))") {
            set req.http.X-Formats = "image/avif,";
        }
        if (req.http.Accept ~ "(?i)(^|,)[ \t]*image/webp[ \t]*(,|$|;[ \t]*q=(1|0\.[0-9]*[1-9]))") {
            set req.http.X-Formats = req.http.X-Formats + "image/webp,";
        }
        set req.http.Accept = req.http.X-Formats + "*/*;q=0.1";
        unset req.http.X-Formats;
    }
    # Answers depend neither on cookies nor on tokens: without this, Varnish would keep none for clients that send them.
    unset req.http.Cookie;
    unset req.http.Authorization;
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);                     # a path means the same at each host name, so a purge needs none
    return (lookup);
}

sub vcl_deliver {
    unset resp.http.Cache-Tag;              # here: a CDN before Varnish needs both
    unset resp.http.Surrogate-Key;
}
