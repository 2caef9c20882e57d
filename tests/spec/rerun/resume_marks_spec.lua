-- A session that goes on: of the marks of its plan (a catch trial is nothing else) each is given by the run
-- that broke off, or by the rest, or told as left out. The witness is what the whole plan has, from moonpulse
-- events, and the rows of both records.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local head = [[
local mp = require "moonpulse"
local function go(cue)
  local pulse = mp.pulse(mp.mso(40)):label "go"
  return cue and cue .. pulse or pulse
end
local function no(code) return mp.mark("M" .. code, { code = code }) end
return mp.protocol { id = "catch", name = "Catch", plan = function()
  local list = { no(1), go(), go(), no(2), go(), no(3), no(4), go(), no(5), no(6), no(7), go(no(8)), go() }
]]
local designs = {
  { "trials with a fixed interval", 0, "return mp.trials { of = list, every = %s } end }" },
  { "trials with drawn intervals", 0,
    "return mp.trials { of = list, shortest = %s, longest = %s * 1.5 } end }" },
  { "parts one after the other", 3, [[
    local plan = list[1]
    for i = 2, #list do plan = plan .. mp.rest(%s) .. list[i] end
    return plan end }]] },
}

describe("marks of a session that goes on", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function write(design, every)
    shell.write(folder .. "/catch.lua", head .. design[3]:gsub("%%s", every))
  end

  --- The plan's marks, by their texts, in their order: of the whole, or of the rest from a trial on.
  local function planned(more)
    local status, out = shell.moonpulse(folder, ("events %s/catch.lua --seed 5 %s"):format(folder,
      more or ""))
    assert.are.equal(0, status)
    shell.write(folder .. "/planned.tsv", out)
    local list = {}
    for _, row in ipairs(shell.rows(folder .. "/planned.tsv")) do
      list[#list + 1] = row.event == "mark" and row.label or nil
    end
    return list
  end

  --- How many pulses a run gave, and which marks.
  local function given(run)
    local pulses, marks = 0, {}
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      local is = row.status == "delivered" or row.status == "sent" or row.status == "perhaps_sent"
      pulses = pulses + (row.event == "pulse" and is and 1 or 0)
      if row.event == "mark" then
        marks[row.reply] = true
      end
    end
    return pulses, marks
  end

  --- The codes of what is in neither record, which is what must be told.
  local function missing(first, second)
    local _, before = given(first)
    local _, after = given(second)
    local list = {}
    for _, text in ipairs(planned()) do
      list[#list + 1] = not before[text] and not after[text] and text:sub(2) or nil
    end
    return list
  end

  local function words(list, trial)
    local s = #list == 1 and "" or "s"
    return list[1] and ("left out    %d mark%s (code%s %s) before trial %d"):format(#list, s, s,
      table.concat(list, ", "), trial) or nil
  end

  --- Is all of it given or told? How many are told.
  local function check_rest(first, text, second)
    local list, pulses = missing(first, second), given(first)
    assert.are.equal(words(list, pulses + 1), text:match "left out    %d+ marks?[^\n]*")
    local at = fixture.manifest(second).begins_at
    assert.are.equal(list[1] and #list, at.marks_left_out)
    local counted = ("%d mark%s before it %s left out"):format(#list, #list == 1 and "" or "s",
      #list == 1 and "is" or "are")
    for _, said in ipairs { text, shell.read(second .. "/report.html") } do
      assert.are.equal(#list > 0, said:find(counted, 1, true) ~= nil)
    end
    for _, command in ipairs { "verify " .. second, ("rerun %s --out %s/again"):format(second, folder) } do
      local ok, out, err = shell.moonpulse(folder, command)
      assert.are.equal(0, ok, out .. err)
    end
    return #list
  end

  for _, design in ipairs(designs) do
    it("are given by one of the two runs, or told, wherever it broke off: " .. design[1], function()
      local most, none = 0, 0
      write(design, "5")
      for at = 1, 5 do
        local out = ("%s/at%d"):format(folder, at)
        shell.moonpulse(folder, ("run %s/catch.lua --speed max --seed 5 --fault unplug@%d --timing host "
          .. "--out %s"):format(folder, at, out))
        local first = fixture.run_in(out)
        local name = first:match "[^/]+$"
        if given(first) < 6 then
          local status, text, err = shell.moonpulse(folder, ("resume %s --out %s"):format(first, out))
          assert.are.equal(0, status, text .. err)
          local second
          for _, each in ipairs(shell.names(out)) do
            second = each ~= name and out .. "/" .. each or second
          end
          local count = check_rest(first, text, second)
          most, none = math.max(most, count), none + (count == 0 and 1 or 0)
        end
      end
      assert.are.equal(design[2], most)
      assert.is_true(none > 0)
    end)
  end

  local function check_given(design)
    write(design, "0.4")
    shell.remove(folder .. "/runs")
    shell.remove(folder .. "/on")
    local job = jobs:start("on", ("run %s/catch.lua --speed 1 --tolerance 5000 --out %s/runs"):format(folder,
      folder))
    shell.await(function()
      local name = shell.names(folder .. "/runs")[1]
      local twin = name and shell.read(("%s/runs/%s/twin.tsv"):format(folder, name)) or ""
      return select(2, twin:gsub("\tpulse\t", "")) >= 4
    end, "four pulses")
    shell.sh(folder, "sleep 0.6") -- one of the three marks behind it, or none, or more: what is said holds
    job:signal "INT"
    job:wait()
    local first = fixture.run_in(folder .. "/runs")
    local status, text, err = shell.moonpulse(folder, ("resume %s --speed max --out %s/on"):format(first,
      folder))
    assert.are.equal(0, status, text .. err)
    local second = fixture.run_in(folder .. "/on")
    check_rest(first, text, second)
    local _, before = given(first)
    local _, after = given(second)
    for mark in pairs(before) do
      assert.is_nil(after[mark], mark) -- nothing is given twice
    end
  end

  it("are neither told nor given again where the first run had given them", function()
    check_given(designs[1])
    check_given(designs[3])
  end)

  it("are told by each command that takes --from-trial, and stand in the record", function()
    write(designs[3], "5")
    local note = "moonpulse: note: left out: 3 marks (codes 5, 6, 7) before trial 5\n"
    for _, command in ipairs { "show", "events", "check", "plot", "run" } do
      local _, _, err = shell.moonpulse(folder, ("%s %s/catch.lua --from-trial 5 %s"):format(command, folder,
        command == "run" and "--speed max --out " .. folder .. "/runs" or ""))
      local _, times = err:gsub(note:gsub("%p", "%%%0"), "")
      assert.are.equal(1, times, command .. err)
    end
    assert.are.equal(3, fixture.manifest(fixture.run_in(folder .. "/runs")).begins_at.marks_left_out)
    local _, out = shell.moonpulse(folder, ("check %s/catch.lua --from-trial 5 --json"):format(folder))
    assert.are.equal(3, cjson.decode(out).begins_at.marks_left_out)
    for _, trial in ipairs { 1, 2 } do -- all of the plan; and behind a pulse there is none
      local _, _, err = shell.moonpulse(folder, ("show %s/catch.lua --from-trial %d"):format(folder, trial))
      assert.not_matches("left out", err)
    end
    for i = 1, 2 do -- catch trials go with the trial behind them
      write(designs[i], "5")
      assert.are.same({ "M5", "M6", "M7", "M8" }, planned "--from-trial 5")
      local _, _, err = shell.moonpulse(folder, ("show %s/catch.lua --from-trial 5"):format(folder))
      assert.not_matches("left out", err)
    end
  end)

  it("are named by their text where they have no code", function()
    shell.write(folder .. "/catch.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "catch", name = "Catch", plan = function()
        local go = mp.pulse(mp.mso(40)):label "go"
        return go .. mp.rest(2) .. mp.mark "rest begins" .. mp.rest(9) .. mp.mark("cue", { code = 3 })
          .. mp.rest(1) .. go end }]])
    local _, _, err = shell.moonpulse(folder, ("show %s/catch.lua --from-trial 2"):format(folder))
    assert.matches("left out: 2 marks (rest begins; cue, code 3) before trial 2\n", err, 1, true)
  end)

  it("that are catch trials are a part of the silence that is waited for in real time", function()
    shell.write(folder .. "/catch.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "catch", name = "Catch", plan = function()
        local go = mp.pulse(mp.mso(40)):label "go"
        return mp.trials { of = { go, mp.mark "catch", go }, every = 2 } end }]])
    shell.moonpulse(folder, ("run %s/catch.lua --speed max --fault unplug@1 --timing host --out %s/runs")
      :format(folder, folder))
    local status, text, err = shell.moonpulse(folder, ("resume %s --speed 1 --tolerance 5000 --out %s/on")
      :format(fixture.run_in(folder .. "/runs"), folder))
    assert.are.equal(0, status, text .. err)
    local all = text:match "a silence of ([%d.]+ s) there"
    -- not the 4 s from pulse to pulse; nil: it is over already
    assert.is_true(all == nil or all == "2 s", all)
  end)

  it("that are a cue of the trial that is given again are given again with it", function()
    shell.write(folder .. "/cue.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "cue", name = "Cue", plan = function()
        local go = mp.pulse(mp.mso(40))
        return mp.trials { of = { go, mp.mark "catch", mp.mark "cue" .. mp.rest(0.6) .. go, go }, every = 1 }
      end }]])
    local job = jobs:start("job", ("run %s/cue.lua --tolerance 5000 --out %s/runs"):format(folder, folder))
    shell.await(function()
      local names = shell.names(folder .. "/runs")
      local rows = names[1] and shell.read(("%s/runs/%s/events.tsv"):format(folder, names[1])) or ""
      return rows:find("\tcue\t", 1, true)
    end, "its cue")
    job:signal "INT"
    assert.are.equal(5, job:wait(), job:err())
    local first = fixture.run_in(folder .. "/runs")
    local status, text, err = shell.moonpulse(folder, ("resume %s --speed max --out %s/on"):format(first,
      folder))
    assert.are.equal(0, status, text .. err)
    local seen = {}
    for _, row in ipairs(shell.rows(fixture.run_in(folder .. "/on") .. "/events.tsv")) do
      seen[#seen + 1] = row.event == "mark" and row.reply or row.event == "pulse" and "go" or nil
    end
    assert.are.same(given(first) == 1 and { "cue", "go", "go" } or { "go" }, seen) -- a busy computer is late
  end)
end)
