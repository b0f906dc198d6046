//! Names that a producer could choose to do harm.

/// What follows `prefix`, which is the feed's. None ends in a compression's name.
pub(crate) fn hostile(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = PLAIN.iter().map(|name| (*name).to_owned()).collect();
    // Every control character, and what XML 1.0 cannot say.
    names.extend((0_u8..0x20).chain([0x7f]).map(|byte| format!("control-{}.csv", char::from(byte))));
    names.extend(('\u{80}'..'\u{a0}').map(|c| format!("control-{c}.csv")));
    names.extend(["\u{fffe}", "\u{ffff}", "\u{fdd0}", "\u{1ffff}", "\u{10ffff}"].map(|c| format!("none-{c}.csv")));
    // The longest, with their difference at the end, and of characters that cannot be cut anywhere.
    let room = 1024 - prefix.len();
    names.extend(["a", "b"].map(|end| "x".repeat(room - 1) + end));
    names.push("'".repeat(room));
    names.push("\\".repeat(room));
    names.push("é".repeat(room / 2));
    names.push("😀".repeat(room / 4));
    names.push("\u{1}".repeat(room));
    names.push("\0".repeat(room));
    // As long as the system views' column, and longer.
    names.extend((1..6).map(|more| "v".repeat(256 - "s3://landing/".len() - prefix.len() - 3) + &"w".repeat(more)));
    names
}

const PLAIN: &[&str] = &[
    // SQL
    "'",
    "''",
    "'''",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "'\\",
    "ends in a backslash\\",
    "ends in two\\\\",
    "'); DROP TABLE public.canary; --",
    "\\'); DROP TABLE public.canary; --",
    "'\\'); DROP TABLE public.canary; --",
    "\"; DROP TABLE public.canary; --",
    "*/ DROP TABLE public.canary; /*",
    "/* comment",
    "-- comment",
    "$$; DROP TABLE public.canary; $$",
    "$1",
    ":name",
    ":1 ::text",
    "'||(SELECT 1)||'",
    "E'\\x27'",
    "U&'\\0027'",
    "';ROLLBACK;--",
    "';COMMIT;--",
    "';END;--",
    // encodings
    "+",
    " ",
    "  leading and trailing  ",
    "%",
    "%2F",
    "%00",
    "%0a",
    "%25",
    "100%+a b",
    "a&b=c?d#e",
    "?versionId=null",
    "<Key>&amp;]]></Key>",
    "&#0;",
    // lines and terminals
    "line\nbreak.csv",
    "return\rbreak.csv",
    "both\r\nbreak.csv",
    "both\n\rbreak.csv",
    "tab\t.csv",
    "\u{1b}[2J.csv",
    "\u{1b}]0;title\u{7}.csv",
    "\u{1b}]52;c;aGk=\u{7}.csv",
    "\u{1b}]8;;http://example.com\u{1b}\\link\u{1b}]8;;\u{1b}\\.csv",
    "{\"level\":\"ERROR\"}\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    // unicode
    "\u{202e}vsc.exe",
    "\u{2066}\u{2069}\u{200f}",
    "\u{200b}\u{feff}",
    "\u{2028}\u{2029}",
    "e\u{301}.csv",
    "\u{e9}.csv",
    "Z\u{310}\u{351}\u{301}.csv",
    "👩‍👩‍👧.csv",
    "日本語.csv",
    "\u{fffd}.csv",
    "K.csv",
    "\u{212a}.csv",
    // JSON and manifests
    "\",\"mandatory\":false}",
    "\"},{\"url\":\"s3://landing/processed/other/kept.csv\",\"mandatory\":true",
    "\"}]}",
    "{}",
    "[]",
    "null",
    "\\u0000",
    "\\\"",
    // paths
    ".",
    "..",
    "...",
    "../x.csv",
    "a/../../x.csv",
    "a/../../../processed/other/kept.csv",
    "../../sluice/claims/numbers/0.json",
    "./x.csv",
    "/x.csv",
    "//x.csv",
    "a//b.csv",
    "a/",
    "a/b/",
    "a",
    "C:\\x.csv",
    "~",
    "-rf",
    "CON",
    "soap",
    "a.csv|sh",
    "$(id)",
    "${HOME}",
    "`id`",
    // imitations
    "sluice/claims/numbers/0.json",
    "sluice/claims/flights/0.json",
    "sluice/manifests/numbers/0123456789abcdef0123456789abcdef.manifest",
    "b.manifest",
    "c.error.json",
    "c",
    "processed/numbers/c",
    "incoming/numbers/c",
    "failed/numbers/c",
    "s3://landing/incoming/numbers/c",
    "x s3://landing/incoming/numbers/c",
    "landing/incoming/numbers/c",
    "c.0123456789abcdef0123456789abcdef",
    "c.0123456789abcdef0123456789abcdef.2",
    "Case.csv",
    "case.csv",
    "CASE.CSV",
    "space.csv",
    "space.csv ",
    "space.csv  ",
];
