"""What to do about each error code, for docs/errors.md: grouped as on that page, in its order. Markdown."""

from __future__ import annotations

from cuepoint.errors import ErrorCode

CURES: dict[str, dict[ErrorCode, str]] = {
    "The request": {
        ErrorCode.UNAUTHENTICATED: (
            "Send `Authorization: Bearer <token>`. `cuepoint token` makes a token. On a WebSocket it goes into "
            "`connection_init`."
        ),
        ErrorCode.FORBIDDEN: (
            "Ask an owner for a higher role. For a media URL: fetch a new one from the API, they expire."
        ),
        ErrorCode.NOT_FOUND: (
            "Check the id, its type (`video_…` is no job) and whether you are a member of the project."
        ),
        ErrorCode.BAD_USER_INPUT: "The message names the rule, `field` the value. Nothing was changed.",
        ErrorCode.RATE_LIMITED: (
            "Operations a minute, connections and live operations are counted (`CUEPOINT_RATE_LIMIT_PER_MINUTE`, "
            "`CUEPOINT_CONNECTIONS_PER_USER`, `CUEPOINT_SUBSCRIPTIONS_PER_USER`); one WebSocket runs 100 "
            "operations."
        ),
        ErrorCode.QUERY_TOO_DEEP: "At most 12 levels (20 for introspection). Ask by id in a second operation.",
        ErrorCode.QUERY_TOO_COSTLY: "Lower `first`, or split the operation. The limits are in `serverInfo.limits`.",
        ErrorCode.PERSISTED_QUERY_NOT_FOUND: (
            "Clients that speak APQ do so by themselves. The text is kept in memory: each process asks for it once."
        ),
        ErrorCode.OPERATION_NOT_ALLOWED: "Its operator adds the operation to `CUEPOINT_OPERATIONS_ALLOWLIST`.",
        ErrorCode.IDEMPOTENCY_CONFLICT: (
            "A key stands for one mutation with one input, for 24 hours. To repeat a request, repeat it "
            "unchanged; for another one make a new key."
        ),
        ErrorCode.INTERNAL: (
            "Report the request id; the log of the API or worker has the stack under it (for a job: under the "
            "job's id)."
        ),
    },
    "Accounts and projects": {
        ErrorCode.EMAIL_TAKEN: "Use the account that exists, or another address.",
        ErrorCode.LAST_ADMIN: "Make another user an administrator first (`updateUser`).",
        ErrorCode.OWNS_PROJECTS: (
            "`deleteUser` with `reassignTo`, or with `cascade: true`; `dryRun: true` counts what would go."
        ),
        ErrorCode.INVALID_CREDENTIALS: "Check both. An administrator can set a new password (`setPassword`).",
        ErrorCode.SIGN_IN_LOCKED: "Wait as long as the error says. Sessions and API keys that exist go on meanwhile.",
        ErrorCode.SESSION_ENDED: (
            "`login`. If nobody signed out, somebody else may have used the refresh token: see the audit log."
        ),
        ErrorCode.LAST_OWNER: "Give another member the role OWNER first.",
        ErrorCode.VERSION_CONFLICT: (
            "Show the newer one, apply the change to it, and send it again with its `version`."
        ),
        ErrorCode.PROJECT_ARCHIVED: "An owner brings it back with `unarchiveProject`.",
        ErrorCode.NAME_TAKEN: "Choose another name, or change the one that has it.",
        ErrorCode.EXTERNAL_ID_TAKEN: "`videos(filter: {projectId, externalId})` finds it.",
        ErrorCode.SHARE_PASSWORD_WRONG: (
            "Ask whoever sent the link. After five wrong ones from one place that place pauses (RATE_LIMITED)."
        ),
        ErrorCode.QUOTA_EXCEEDED: (
            "Wait until `resetsAt`, delete something, or ask an administrator for more (`setQuota`)."
        ),
    },
    "Uploads": {
        ErrorCode.UPLOAD_TOO_LARGE: (
            "The operator can raise CUEPOINT_UPLOAD_MAX_BYTES. If more bytes came than were declared: create a "
            "new upload with the right size."
        ),
        ErrorCode.UPLOAD_INCOMPLETE: "Ask for the offset (`HEAD`, or the query `upload`) and send the rest.",
        ErrorCode.UPLOAD_ALREADY_USED: "Use the video that was made of it; to have it twice, upload it again.",
        ErrorCode.DUPLICATE_VIDEO: "Use the video in `duplicateOf`, or send `onDuplicate: KEEP`.",
        ErrorCode.UPLOAD_EXPIRED: "Create a new upload. They last CUEPOINT_UPLOAD_EXPIRY_HOURS (a week).",
        ErrorCode.OFFSET_MISMATCH: (
            "The answer to a wrong PATCH carries `Upload-Offset`: go on from there. If another request is "
            "writing, wait until it has ended."
        ),
        ErrorCode.CHECKSUM_MISMATCH: (
            "The bytes were dropped; create a new upload. If it happens again, the file changed while it was read."
        ),
        ErrorCode.INSUFFICIENT_STORAGE: (
            "Free disk on the server; CUEPOINT_MIN_FREE_BYTES are always kept. What was stored stays."
        ),
    },
    "Media": {
        ErrorCode.UNSUPPORTED_MEDIA: (
            "Look at `Video.media` for what the file holds, or convert it: `ffmpeg -i in -c:v libx264 -c:a aac "
            "out.mp4`."
        ),
        ErrorCode.MEDIA_TRUNCATED: "The upload or an earlier copy broke off; upload a whole file.",
        ErrorCode.MEDIA_LIMIT_EXCEEDED: (
            "The operator can raise CUEPOINT_MEDIA_MAX_DURATION_SECONDS or CUEPOINT_MEDIA_MAX_PIXELS."
        ),
        ErrorCode.FILES_REMOVED: (
            "Transcript, moments and metadata are still there. Upload the original again to cut or to process it."
        ),
        ErrorCode.RANGE_OUTSIDE_MEDIA: "Compare with `Video.durationSeconds`. The end is exclusive and may equal it.",
        ErrorCode.RENDER_FAILED: "`job.error.detail` has ffmpeg's last words; ask for another range, or report it.",
        ErrorCode.CONFLICTING_OPTIONS: (
            "Leave one of them out: `FAST` copies and can change nothing, an MP3 has no picture to crop, "
            "`keyframes` need `fit: KEYFRAMES`. docs/clips.md lists what goes with what."
        ),
        ErrorCode.TEXT_NOT_FOUND: "Case, punctuation and spaces do not matter, the words and their order do.",
        ErrorCode.AMBIGUOUS_TEXT: "Set `occurrence` (1 = the first), or give more of the words around them.",
        ErrorCode.FONT_MISSING_GLYPHS: (
            "Put a font that has them into the directory of CUEPOINT_CAPTION_FONTS, or take captions as `SIDECAR`"
            " or `EMBED`."
        ),
    },
    "Jobs": {
        ErrorCode.NOT_READY: (
            "Watch the job that makes it (`jobProgress`), then ask again; or start the step with `startPipeline`."
        ),
        ErrorCode.ALREADY_FINAL: "Start a new job instead.",
        ErrorCode.NOT_RETRYABLE: (
            "Wait until it is over (`jobProgress`); run a step that succeeded again with `startPipeline`."
        ),
        ErrorCode.JOB_CANCELLED: "`retryJob` runs it again; `job.cancelReason` says why it was cancelled.",
        ErrorCode.DEPENDENCY_FAILED: "`job.cancelledBy` is the job to retry; that brings this one back.",
        ErrorCode.DUPLICATE_JOB: "Watch the job that exists (`jobs(filter: {videoId, status})`).",
        ErrorCode.NOT_FINAL: "`cancelJob`, wait until it is over (`jobProgress`), then delete it.",
        ErrorCode.HAS_DEPENDANTS: (
            "Delete them along (`includeDependants: true`), or retry this job instead: that brings them back."
        ),
        ErrorCode.QUEUE_FULL: (
            "Wait as long as the error says. An operator can add workers, or raise "
            "`CUEPOINT_QUEUE_MAX_PER_PROJECT` and `CUEPOINT_QUEUE_MAX`."
        ),
        ErrorCode.CHILD_CRASHED: (
            "Nothing at first: it is tried again. If it fails every time, the file or the memory of the machine "
            "is to blame; `detail` has the last output."
        ),
        ErrorCode.JOB_TIMEOUT: (
            "A slow machine or a file that hangs a decoder. Retry by hand, with fewer slots or more cores."
        ),
        ErrorCode.WORKER_LOST: (
            "Nothing: another worker takes over. Three times in a row fails the job; then look at the memory of "
            "the workers."
        ),
    },
    "Sources that are imported": {
        ErrorCode.URL_FORBIDDEN: (
            "Give a public http(s) URL without user name and password. An operator can allow an internal host by "
            "`CUEPOINT_FETCH_ALLOWED_HOSTS`, a bucket by `CUEPOINT_IMPORT_BUCKETS`, a folder by "
            "`CUEPOINT_IMPORT_ROOTS`."
        ),
        ErrorCode.SOURCE_LOGIN_REQUIRED: (
            "A signed link may have expired: make a new one. Cookies and passwords of other sites are never taken."
        ),
        ErrorCode.SOURCE_BOT_CHECK: "Download it with a browser, then upload it.",
        ErrorCode.SOURCE_GEO_BLOCKED: "Download it where it is served, then upload it.",
        ErrorCode.SOURCE_GONE: "Check the URL in a browser.",
        ErrorCode.SOURCE_TOO_LARGE: "Choose a smaller rendition; an operator can raise `CUEPOINT_UPLOAD_MAX_BYTES`.",
        ErrorCode.SOURCE_TIMEOUT: (
            "Retry the job: it goes on where it stopped if the source can. An operator can lower "
            "`CUEPOINT_FETCH_MIN_BYTES_PER_SECOND`."
        ),
        ErrorCode.SOURCE_UNAVAILABLE: "Retry the job; the message has what the source said.",
    },
    "Models and providers": {
        ErrorCode.MODEL_NOT_FOUND: (
            "Correct CUEPOINT_WHISPER_MODEL; see [models.md](models.md). `cuepoint doctor` checks it."
        ),
        ErrorCode.MODEL_FAILED: (
            "Read `detail`: a model that does not fit the device or its memory, or a download without a network."
        ),
        ErrorCode.PROVIDER_REJECTED: (
            "Check CUEPOINT_OPENAI_API_KEY, CUEPOINT_OPENAI_BASE_URL and CUEPOINT_EMBEDDING_MODEL, and the "
            "account's balance; then retry the job."
        ),
        ErrorCode.PROVIDER_UNAVAILABLE: "Jobs try again with growing pauses. A search fails at once: send it again.",
        ErrorCode.PROVIDER_RATE_LIMITED: (
            "Jobs wait as long as the provider asks, and no failure is counted. A search: send it again later."
        ),
        ErrorCode.PROVIDER_BAD_RESPONSE: (
            "If it persists, the server at CUEPOINT_OPENAI_BASE_URL is not one of this protocol, or gives vectors"
            " of another model."
        ),
    },
    "The instance": {
        ErrorCode.STORAGE_UNAVAILABLE: (
            "Check the directory of CUEPOINT_STORAGE_URL, its owner and its disk; `cuepoint doctor` does."
        ),
        ErrorCode.DATABASE_UNAVAILABLE: (
            "Send it again; a mutation with its `idempotencyKey`, as it may have gone through before the answer was "
            "lost. An operator looks at Postgres: `/readyz`, and the log's line of when it went away."
        ),
        ErrorCode.MISCONFIGURED: "Correct the setting that the message names; `cuepoint config show` lists them all.",
    },
}
