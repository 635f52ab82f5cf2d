// The operations of the page, each of them public.

export const VIDEO = `query Page($id: ID!) {
  video(id: $id) {
    id title status durationSeconds width height
    playback { url contentType kind }
    proxy: playback(kind: PROXY) { url contentType kind }
    original: playback(kind: ORIGINAL) { url contentType kind }
    poster { url }
    storyboard { tileWidth tileHeight columns rows intervalSeconds tileCount sheets { url } }
    waveform(samples: 1600) { startSeconds durationSeconds samples peaks }
    moments(first: 50) { nodes { id title reason startSeconds endSeconds } }
    transcript { id emptyReason isDemoModel }
    problems { code message }
    project { viewerRole }
  }
}`;

export const SEGMENTS = `query Lines($id: ID!, $after: String) {
  video(id: $id) {
    transcript {
      segments(first: 500, after: $after) {
        nodes { startSeconds endSeconds text }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}`;

export const CLIPS = `query Clips($id: ID!, $after: String) {
  video(id: $id) {
    clips(first: 100, after: $after) {
      nodes { id title url requestedRange { startSeconds endSeconds } job { id status progress } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

export const SEARCH = `query Find($query: String!, $video: ID!) {
  semanticSearch(input: { query: $query, videoIds: [$video], first: 20 }) {
    hits { id startSeconds endSeconds text score }
    notice
  }
}`;

export const CREATE_CLIP = `mutation Cut($input: CreateClipInput!) {
  createClip(input: $input) {
    clip { id title url requestedRange { startSeconds endSeconds } job { id status progress } }
    errors { code message }
  }
}`;

export const CLIP = `query Cut($id: ID!) {
  clip(id: $id) { id title url requestedRange { startSeconds endSeconds } job { id status progress error { message } } }
}`;

export const PROGRESS = `subscription Progress($id: ID!) {
  jobProgress(jobId: $id) { status progress stage etaSeconds }
}`;
