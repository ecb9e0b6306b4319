// A stand-in for the components fc3 and fc3-domain of Serverless Devs. It calls
// nothing: it records what it is asked to do, one line of JSON each, and answers
// what they would. Like fc3 it writes all that it is given into its log.
const fs = require("fs");

module.exports = class {
  constructor({ logger }) {
    this.logger = logger;
  }

  record(command, { resource, props, args, yaml }) {
    this.logger.debug(`handle pre run config: ${JSON.stringify(props)}`);
    const line = { command, resource: resource.name, component: resource.component, props, args, template: yaml.path };
    fs.appendFileSync(process.env.OSSUPLOAD_RECORD, JSON.stringify(line) + "\n");
  }

  async deploy(inputs) {
    this.record("deploy", inputs);
    const { region, functionName, environmentVariables, triggers = [] } = inputs.props;
    if (inputs.resource.name === process.env.OSSUPLOAD_FAIL) throw new Error("Forbidden");
    const answer = { region, functionName, environmentVariables };
    const http = triggers.find((t) => t.triggerType === "http");
    if (http) {
      const name = `${functionName}-abcdefghij.${region}`;
      answer.url = { system_intranet_url: `https://${name}-vpc.fcapp.run` };
      if (!http.triggerConfig.disableURLInternet) answer.url.system_url = `https://${name}.fcapp.run`;
    }
    return answer;
  }

  async version(inputs) {
    this.record("version", inputs);
    return { versionId: "1" };
  }

  async alias(inputs) {
    this.record("alias", inputs);
    return { aliasName: "live" };
  }
};
