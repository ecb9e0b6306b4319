// What an application of UPPY.md has of its own. The page's address says where the
// functions are; the driver logs callers in, and reads what was uploaded.

export const functions = new URLSearchParams(location.search).get('functions')
export const token = async () => window.token
export const uploaded = ({ name, uploadURL, response }) => window.uploads.push({ name, uploadURL, ...response.body })
