-- A run in virtual time that was killed, and recovered, or that its operator stopped: nobody changed a thing,
-- and verify says so, wherever the end came. What it left is compared until there.
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

local folder, jobs
fixture.each_test(function(new, list) folder, jobs = new, list end)

local texts = {
  protocol = [[local mp = require "moonpulse"
    return mp.train { pulses = 400, hz = 5, intensity = mp.mso(40) }:times(250, { gap = 5 })]],
  experiment = [[local mp = require "moonpulse"
    return mp.experiment(function(run)
      local stim = run:device()
      stim:arm()
      for i = 1, 400 do
        run:sleep(run:uniform(0.3, 0.5))
        stim:fire(mp.pulse(mp.mso(30 + i % 20)):label "X")
        run:mark("trial " .. i)
      end
    end)]],
}

--- Bytes of the file of the run that is written first, by then.
local function written(out, name)
  local runs = shell.names(out)
  return runs[1] and lfs.attributes(("%s/%s/%s"):format(out, runs[1], name), "size") or 0
end

local ends = { KILL = { "that was killed is whole once it is recovered", "interrupted", "--speed max" },
  INT = { "that was stopped is whole", "stopped", "--speed max" },
  TERM = { "that was stopped at a pace is whole", "stopped", "--speed 1000" } }

for kind, text in pairs(texts) do
  for signal, ending in pairs(ends) do
    it("an honest " .. kind .. " " .. ending[1], function()
      shell.write(folder .. "/made.lua", text)
      local ended_so = 0
      for i, bytes in ipairs { 1, 20000, 60000, 200000 } do
        local out = ("%s/runs%d"):format(folder, i)
        local job = jobs:start("job" .. i, ("run %s/made.lua %s --out %s --beyond-guidelines test "
          .. "--approval none"):format(folder, ending[3], out))
        shell.await(function()
          local rows = written(out, kind == "protocol" and "events.tsv" or "journal.jsonl")
          return job:ended() or rows >= bytes and written(out, "manifest.json") > 0 -- it has begun
        end, "some of its record")
        job:signal(signal)
        job:wait()
        local run = fixture.run_in(out)
        if signal == "KILL" then
          shell.moonpulse(folder, "recover " .. run)
          for _, name in ipairs { "manifest.json", "journal.jsonl" } do -- no place of this computer
            assert.is_nil(shell.read(run .. "/" .. name):find(folder:match "[^/]+$", 1, true), name)
          end
        end
        ended_so = ended_so + (fixture.manifest(run).status == ending[2] and 1 or 0)
        local status, said = shell.moonpulse(folder, "verify " .. run)
        assert.are.equal(0, status, said)
      end
      assert.is_true(ended_so > 0, "none came in time")
    end)
  end
end

it("a run that was killed before its first row was written is whole once it is recovered", function()
  shell.write(folder .. "/made.lua", texts.protocol)
  local job = jobs:start("job", ("run %s/made.lua --speed max --out %s/runs --beyond-guidelines test "
    .. "--approval none"):format(folder, folder))
  shell.await(function() return written(folder .. "/runs", "events.tsv") > 0 end, "its rows")
  job:signal "KILL"
  job:wait()
  local run = fixture.run_in(folder .. "/runs")
  for _, name in ipairs { "events.tsv", "twin.tsv" } do
    shell.write(run .. "/" .. name, "")
  end
  local status, _, err = shell.moonpulse(folder, "recover " .. run)
  assert.are.equal(0, status, err)
  local verified, said = shell.moonpulse(folder, "verify " .. run)
  assert.are.equal(0, verified, said)
  assert.are.equal("interrupted", fixture.manifest(run).status)
end)
