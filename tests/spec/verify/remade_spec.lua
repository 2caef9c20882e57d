-- Experiments are made again from their kept text, seed, parameters and what they were told: honest records
-- of random scripts are whole, in virtual and in real time, and every edit of what was given is found,
-- whoever closed the record again over it.
local core = require "moonpulse.core"
local drawn = require "drawn_experiment"
local fixture = require "job"
local resealed = require "resealed"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"
local verify = require "moonpulse.verify"

local made = "are what the kept text, seed, parameters and answers make"
local devices = { { "magventure" }, { "magstim200", slow = true }, { "pulsepal" }, { "duomag", slow = true },
  { "rapid", slow = true }, { "bistim", slow = true }, { "stimjim" } }
local each_device = os.getenv("MP_QUICK") and 1 or 3

describe("the record of an experiment", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function record(name, text, more, input)
    shell.write(("%s/%s.lua"):format(folder, name), text)
    local out = ("%s/%s"):format(folder, name)
    local status, said, err = shell.moonpulse(folder, ("run %s/%s.lua --rmt 50 --out %s %s"):format(folder,
      name, out, more), input)
    return fixture.run_in(out), status, said .. err
  end

  local function differences(run)
    local found, list = assert(verify.folder(run, {})), {}
    for i, each in ipairs(found.differs) do
      list[i] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
    end
    return table.concat(list, "\n"), found
  end

  local function is_whole(run, message)
    local text, found = differences(run)
    assert.are.equal("", text, message)
    assert.are.same({}, found.unchecked, message)
    assert.matches(made, table.concat(found.checked, "\n"), 1, true)
  end

  local function virtual(seed, device)
    local text, answers, triggers = drawn.of(seed, device.slow)
    local lines = {}
    for i, each in ipairs(triggers) do
      lines[i] = ("%.3f port %d\n"):format(each.at_s, each.byte)
    end
    shell.write(folder .. "/answers", answers)
    shell.write(folder .. "/triggers", table.concat(lines))
    return record(("v%d%s"):format(seed, device[1]), text, ("--speed max --device sim:%s --seed %d "
      .. "--answers %s/answers --triggers %s/triggers"):format(device[1], seed, folder, folder)), text
  end

  for number, device in ipairs(devices) do
    it("is whole of random scripts in virtual time: " .. device[1], function()
      for seed = 10 * number, 10 * number + each_device - 1 do
        local run, text = virtual(seed, device)
        is_whole(run, text)
      end
    end)
  end

  --- A random script in real time, with bytes of a trigger port whenever they come.
  local function real(seed, device, text)
    local port <close> = core.pty(nil, function() end)
    local drawn_text, answers = drawn.of(seed, false)
    local name = ("r%d%s"):format(seed, device)
    shell.write(("%s/%s.lua"):format(folder, name), text or drawn_text)
    shell.write(folder .. "/answers", answers)
    local job = shell.start(folder, name, ("run %s/%s.lua --rmt 50 --out %s/%s --device sim:%s --seed %d "
      .. "--tolerance 5000 --answers %s/answers --trigger-in %s"):format(folder, name, folder, name, device,
      seed, folder, port:path()))
    local turns = 0
    shell.await(function()
      turns = turns + 1
      port:write(turns % 17 == 0 and string.char(6 + turns % 3) or "")
      return job:ended()
    end, "the end of " .. name)
    return fixture.run_in(folder .. "/" .. name), (text or drawn_text) .. job:err()
  end

  for number, device in ipairs { "magventure", "pulsepal" } do
    it("is whole of random scripts in real time: " .. device, function()
      for seed = 100 * number, 100 * number + each_device - 1 do
        is_whole(real(seed, device))
      end
    end)
  end

  local staircase = [[local mp = require "moonpulse"
    return mp.experiment { name = "Stairs", run = function(run)
      local stim = run:device()
      run:mark "begun"
      for trial, intensity in run:staircase { start = 45, step = 4, reversals = 3, min_step = 4 } do
        stim:arm(mp.pulse(mp.mso(intensity)))
        stim:fire(mp.pulse(mp.mso(intensity)):label "single")
        trial:answer(run:ask "MEP? [y/n]")
        stim:disarm()
      end
      local at, byte = run:wait_trigger { timeout = 0.3 }
      local strong = byte and 60 or 50
      local plan = mp.pulse(mp.mso(strong)):label "last" .. mp.rest { min = 0.3, max = 0.4 }
        .. mp.pulse(mp.mso(strong)):label "last"
      stim:arm(plan)
      stim:play(plan)
    end }]]

  --- What somebody may do to what was given: the journal, and the rows so that they fit it.
  local edits = {
    intensity = { function(entry)
      for _, action in ipairs(entry.kind == "play" and entry.actions or {}) do
        if action.mso == 50 then
          action.mso, action.exact_mso, action.intensity = 58, 58, 58
        end
      end
    end, function(text) return (text:gsub("\t50\t50\tMSO", "\t58\t58\tMSO")) end,
      "plan %d: actions%[1%].exact_mso is 58, and the kept text, seed, parameters and answers make 50" },
    output = { function(entry)
      for _, action in ipairs(entry.kind == "play" and entry.actions or {}) do
        action.channel = "2"
      end
    end, function(text) return (text:gsub("\t1(\t%d+\t%d+\tMSO)", "\t2%1")) end,
      "plan 1: actions%[1%].channel is 2, and the kept text, seed, parameters and answers make 1" },
    label = { function(entry)
      for i, name in ipairs(entry.kind == "play" and entry.trials and entry.trials.conditions or {}) do
        entry.trials.conditions[i] = name == "last" and "SICI" or name
      end
    end, function(text) return (text:gsub("\tlast\t", "\tSICI\t")) end,
      "trials.conditions%[1%] is SICI, and the kept text, seed, parameters and answers make last" },
    answer = { function(entry)
      local other = { y = "n", n = "y" }
      if entry.kind == "answer" then
        entry.answer = other[entry.answer]
      elseif entry.kind == "mark" and entry.text:find "^MEP" then
        entry.text = entry.text:gsub("[yn]$", other)
      end
    end, function(text)
      return (text:gsub("(MEP%? %[y/n%]: )([yn])", function(before, answer)
        return before .. (answer == "y" and "n" or "y")
      end))
    end, "journal.jsonl:%d+: " },
    threshold = { function(entry)
      entry.new = entry.kind == "threshold" and entry.how == "found" and 12 or entry.new
    end, nil, "threshold: new is 12, and the kept text, seed, parameters and answers make " },
    dropped = { nil, function(text)
      return (text:gsub("\n[^\n]*\tpulse\t2\t[^\n]*", "", 1))
    end, "events.tsv:" },
    onset = { nil, function(text)
      return (text:gsub("(\tpulse\t2\t)(%d+)", function(before, us) return before .. (us + 100) end, 1))
    end, "events.tsv:%d+: onset_planned_us is " },
    mark = { function(entry)
      entry.text = entry.text == "begun" and "a rest" or entry.text
    end, function(text) return (text:gsub("\tbegun\t", "\ta rest\t")) end,
      "journal.jsonl:%d+: mark: text is a rest, and the kept text, seed, parameters and answers make begun" },
    trigger = { function(entry)
      if entry.text == "trigger: none came in time" then
        entry.text = "trigger: byte 7"
      end
    end, function(text) return (text:gsub("trigger: none came in time", "trigger: byte 7")) end,
      "journal.jsonl:%d+: " },
  }

  --- Every edit of a copy of run is found.
  local function finds_edits(run)
    for name, edit in pairs(edits) do
      local copy = folder .. "/copy"
      shell.remove(copy)
      shell.copy(run, copy)
      resealed.edit(copy, edit[1] and function(entries)
        for _, entry in ipairs(entries) do
          edit[1](entry)
        end
      end, edit[2] and { ["events.tsv"] = edit[2] })
      local text = differences(copy)
      assert.matches(edit[3], text, 1, name)
      assert.is_nil(text:find("SHA256SUMS", 1, true) or text:find("it was written", 1, true), text)
    end
  end

  it("shows every edit that somebody closed it over, in virtual time", function()
    shell.write(folder .. "/answers", ("y\nn\n"):rep(9))
    local run = record("virtual", staircase, ("--speed max --answers %s/answers"):format(folder))
    is_whole(run)
    resealed.edit(run) -- as it was
    is_whole(run)
    finds_edits(run)
  end)

  it("shows every edit that somebody closed it over, in real time", function()
    local silent = staircase:gsub("timeout = 0.3", "timeout = 0, byte = 99")
    local run = real(1, "magventure", silent)
    is_whole(run)
    resealed.edit(run)
    is_whole(run)
    finds_edits(run)
  end)

  it("shows a script that comes to another end when it is run again", function()
    shell.write(folder .. "/answers", ("y\nn\n"):rep(9))
    local run = record("ended", staircase, ("--speed max --answers %s/answers"):format(folder))
    local other = staircase:gsub("(stim:play%(plan%)\n)(%s*end })$", "%1      run:stop()\n%2")
    assert.are_not.equal(staircase, other)
    shell.write(run .. "/sources/ended.lua", other)
    resealed.edit(run, nil, { ["manifest.json"] = function(text)
      return (text:gsub(sha256.of(staircase), sha256.of(other)))
    end })
    assert.matches("manifest.json:: it says how the script ended: the script came to its end; and the kept "
      .. "text, .- make another end: stopped on request", (differences(run)))
  end)
end)
