package roles

// functions are the roles that functions have, with what each is for.
var functions = []struct{ name, about string }{
	{Presign, "decides who may upload what"},
	{Callback, "receives the upload callbacks of OSS"},
	{Complete, "runs multipart uploads"},
	{Repair, "delivers what waits, and announces what nobody announced"},
}

// The services that assume roles.
const (
	functionCompute = "fc.aliyuncs.com"
	storage         = "oss.aliyuncs.com"
)

// Roles are all roles of a deployment, with the permissions of the log service,
// and the policies of who deploys and who operates it. Who is named in another's
// trust policy comes before it: RAM takes no name of what is not there.
func (d Deployment) Roles() ([]Role, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	var all []Role
	for _, f := range functions {
		all = append(all, Role{
			Name: d.names() + f.name, For: f.about,
			Trust:       trust("Service", functionCompute),
			Permissions: append(d.Permissions(f.name), d.logging()),
		})
	}
	if d.UploadRole != "" {
		all = append(all, Role{
			Name: d.names() + Upload, For: "signs URLs, forms and credentials",
			Trust:       trust("RAM", d.ARN(Presign), d.ARN(Complete)),
			Permissions: d.Signing(),
		})
	}
	return append(all,
		Role{
			Name: d.names() + Trigger, For: "by which OSS tells repair of uploads",
			Trust:       trust("Service", storage),
			Permissions: Policy{allow([]string{"fc:InvokeFunction"}, d.function(Repair), d.function(Repair)+"/*")},
		},
		Role{Name: d.names() + Operator, For: "policy of whoever runs scripts/deliver and scripts/sweep", Permissions: d.Operating()},
		Role{Name: d.names() + Doctor, For: "policy of whoever runs scripts/doctor", Permissions: d.Examining()},
		Role{Name: d.names() + Bucket, For: "policy of whoever runs scripts/bucket", Permissions: d.LookingAfterBucket()},
		Role{Name: d.names() + Deployer, For: "policy of whoever runs \"s deploy\", a user or a role of CI", Permissions: d.deploying()}), nil
}

// function is the ARN of a function, or of some by a wildcard.
func (d Deployment) function(name string) string {
	return "acs:fc:*:" + d.Account + ":functions/" + d.names() + name
}

func (d Deployment) logProject() string {
	project := d.LogProject
	if project == "" {
		project = "*"
	}
	return "acs:log:*:" + d.Account + ":project/" + project
}

// logging lets a function write its log. Serverless Devs grants it only to roles
// that it makes itself.
func (d Deployment) logging() Statement {
	return allow([]string{"log:PostLogStoreLogs"}, d.logProject()+"/logstore/*")
}

// LookingAfterBucket is what scripts/bucket does: it reads and writes four settings of
// the bucket, and no object. It cannot remove a setting as a whole.
func (d Deployment) LookingAfterBucket() Policy {
	return Policy{allow([]string{
		"oss:GetBucketVersioning",
		"oss:GetBucketLifecycle", "oss:PutBucketLifecycle",
		"oss:GetBucketOverwriteConfig", "oss:PutBucketOverwriteConfig",
		"oss:GetBucketPublicAccessBlock", "oss:PutBucketPublicAccessBlock",
		"oss:GetBucketCors", "oss:PutBucketCors",
	}, d.bucket())}
}

// deploying is what "s deploy" does: it makes and changes the functions, their
// triggers and versions, gives them their roles, and makes the place of their
// logs. It can neither make a role nor change one.
func (d Deployment) deploying() Policy {
	passed := []string{d.ARN(Trigger)}
	for _, f := range functions {
		passed = append(passed, d.ARN(f.name))
	}
	return Policy{
		allow([]string{"fc:*"}, d.function("*"), "acs:fc:*:"+d.Account+":custom-domains/*"),
		// Function Compute enters its trigger into the bucket as whoever deploys it.
		allow([]string{
			"oss:ListBucket", "oss:GetBucketEventNotification", "oss:PutBucketEventNotification", "oss:DeleteBucketEventNotification",
		}, d.bucket()),
		allow([]string{"ram:PassRole"}, passed...).when("StringEquals", "acs:Service", functionCompute, storage),
		allow([]string{
			"log:GetProject", "log:CreateProject", "log:GetLogStore", "log:CreateLogStore",
			"log:GetIndex", "log:CreateIndex", "log:UpdateIndex",
		}, d.logProject(), d.logProject()+"/logstore/*"),
	}
}
