package main

import (
	"cmp"
	"context"
)

const unseenPage = "README.md#operate"

// unseenChecks say what nobody can see from here, and where to look.
var unseenChecks = []check{
	{
		id: "unseen.logs", looks: "nothing: whether logs are delivered shows in the log service alone", run: unseenLogs,
		mend: "give each function's role log:PostLogStoreLogs", page: unseenPage,
	},
	{
		id: "unseen.trigger", looks: "nothing: whether OSS's trigger fires shows in the log of ossupload-repair alone", run: unseenTrigger,
		mend: "let OSS assume ossupload-trigger", page: unseenPage,
	},
	{
		id: "unseen.internal", looks: "nothing: OSS_INTERNAL_ENDPOINT is of a network of the functions", run: unseenInternal,
		mend: "set it to the internal endpoint of OSS_REGION", page: unseenPage,
	},
}

func unseenLogs(_ context.Context, p *patient) verdict {
	return skipped("look for the request id %s in the log of ossupload-presign: if it is not there after a minute, its role lacks log:PostLogStoreLogs",
		cmp.Or(p.requestID, "of any answer"))
}

func unseenTrigger(context.Context, *patient) verdict {
	return skipped("look for an upload of your own in the log of ossupload-repair: without the trigger what neither callback nor client announces waits for the sweep")
}

func unseenInternal(_ context.Context, p *patient) verdict {
	return skipped("an upload that is confirmed (-upload) is the proof that the functions reach the bucket")
}
