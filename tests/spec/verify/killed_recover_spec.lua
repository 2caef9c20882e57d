-- A recover that is killed between its manifest and its seal: the next one makes the folder whole.
local cjson = require "cjson"
local fixture = require "job"
local recover = require "moonpulse.record.recover"
local seals = require "moonpulse.record.seal"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder
local long_experiment = [[local mp = require "moonpulse"
  return mp.experiment { run = function(run)
    local stim = run:device()
    stim:arm()
    for i = 1, 5000 do
      run:sleep(run:uniform(0.3, 0.5))
      stim:fire(mp.pulse(mp.mso(40 + i % 3)))
      run:mark("fired " .. i)
    end
  end }]]
--- Start it, and kill it when a file of its folder has so many lines.
local function killed(name, text, file, lines)
  shell.write(("%s/%s.lua"):format(folder, name), text)
  local script = ([[%s run %s.lua --rmt 50 --seed 3 --speed max --beyond-guidelines t --approval n --out %s \
    >/dev/null 2>&1 </dev/null & p=$!
    while kill -0 $p 2>/dev/null && [ $(cat %s/*/%s 2>/dev/null | wc -l) -lt %d ]; do sleep 0.01; done
    kill -9 $p; wait $p; true]]):format(shell.quote(shell.program:gsub("^build",
    require("lfs").currentdir() .. "/build")), name, name, name, file, lines)
  shell.sh(folder, "cd " .. folder .. "; " .. script)
  local run = fixture.run_in(folder .. "/" .. name)
  assert.are.equal("running", fixture.manifest(run).status)
  return run
end

local function differences(run)
  local found, texts = assert(verify.folder(run, {})), {}
  for i, each in ipairs(found.differs) do
    texts[i] = ("%s:%s: %s"):format(each.file, tostring(each.line), each.text)
  end
  return table.concat(texts, "\n")
end

describe("in virtual time", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("a recover that was killed between its manifest and its seal is made whole by the next one", function()
    local run = killed("again", long_experiment, "journal.jsonl", 60)
    local journal = shell.read(run .. "/journal.jsonl")
    assert(recover.run(run, nil, require("moonpulse.report").write))
    shell.write(run .. "/journal.jsonl", journal)
    local manifest = fixture.manifest(run)
    manifest.journal_head, manifest.journal_lines = ("0"):rep(64), 0
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    os.remove(run .. "/" .. seals.name)
    os.remove(run .. "/verify.sh")
    local summary, message = recover.run(run, nil, require("moonpulse.report").write)
    assert.is_table(summary, message)
    assert.are.equal("", differences(run))
  end)
end)
