// A worker of the peer: one job per recipient, five hundred claimed at a time, completed in batches.
"use strict";
const { run } = require("graphile-worker");

const taskList = {
  async send(member) {
    const text = `亲爱的${member.nickname}，${member.community}本周六上午十点在滨江公园办宠物友好日，带上` +
      `${member.nickname}家的毛孩子来玩，现场有免费体检和摄影，名额有限先到先得。`;
    if (!text) throw new Error("empty");
  },
};

run({
  taskList,
  preset: {
    worker: {
      connectionString: process.argv[2],
      concurrentJobs: 10,
      pollInterval: 100,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
}).then((runner) => { console.log("ready"); return runner.promise; });
