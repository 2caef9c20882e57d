-- The feed of a run on several devices says of which of them each line is, and calls the run safe when all of
-- them are: judged by the simulators' own logs.
local cjson = require "cjson"
local fixture = require "job"
local schema_judge = require "schema_judge"
local shell = require "shell"

local SCRIPT = [[
local mp = require "moonpulse"
return mp.experiment { id = "sides", name = "Sides", run = function(run)
  local left, right = run:device "left", run:device "right"
  left:arm()
  right:arm()
  run:ask "ask 1:"
  left:disarm()
  run:ask "ask 2:"
  right:disarm()
  run:ask "ask 3:"
end }]]

describe("the feed of a run on several devices", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function ctl(arguments)
    return shell.sh(folder, ("exec %s ctl %s"):format(shell.quote(shell.program), arguments))
  end

  --- What a device's simulator last did of arming.
  local function is_armed(path, place)
    local armed = false
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      armed = row.event == "arm" or row.event ~= "disarm" and armed
    end
    return armed
  end

  it("names the device of each arming, and is safe when none is armed any more", function()
    shell.write(folder .. "/sides.lua", SCRIPT)
    local seen = folder .. "/seen"
    os.execute(("python3 tests/helpers/feed_reader.py read %s/feed %s </dev/null 2>%s.err &"):format(folder,
      seen, seen))
    local job = jobs:start("run", ("run %s/sides.lua --device left=sim:magventure "
      .. "--device right=sim:magventure --out %s/out --answers events --events-wait 60 --events %s/feed")
      :format(folder, folder, folder))
    local states = {}
    for i, question in ipairs { "ask 1:", "ask 2:", "ask 3:" } do
      job:says(question)
      local _, json = ctl(("status %s/feed --json"):format(folder))
      local said = cjson.decode(json).runs[1]
      local path = fixture.run_in(folder .. "/out")
      states[i] = { said.state, said.safe }
      assert.are.equal(said.safe, not is_armed(path, "left") and not is_armed(path, "right"), question)
      assert.are.equal(0, (ctl(("answer go %s/feed"):format(folder))))
    end
    assert.are.equal(0, job:wait(), job:err())
    assert.are.same({ { "armed", false }, { "armed", false }, { "disarmed", true } }, states)
    local text, told, begun = shell.await(function() return shell.read(seen) end, seen), {}, nil
    for line in text:gmatch "[^\n]+" do
      local said = cjson.decode(line)
      begun = said.event == "begun" and said or begun
      if said.event == "armed" or said.event == "disarmed" then
        told[#told + 1] = ("%s %s"):format(said.device, said.event)
      end
    end
    assert.are.equal("left armed, right armed, left disarmed, right disarmed", table.concat(told, ", "))
    assert.are.same({ { place = "left", name = "magventure", channels = { "left" }, simulated = true },
      { place = "right", name = "magventure", channels = { "right" }, simulated = true } }, begun.devices)
    shell.write(folder .. "/seen.jsonl", text)
    local judge = schema_judge.new(folder)
    assert.are.equal("", judge:ask("--any-order docs/schemas/feed.schema.json " .. folder .. "/seen.jsonl"))
    judge:close()
  end)
end)
