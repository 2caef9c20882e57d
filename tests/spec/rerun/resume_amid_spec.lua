-- An experiment's plan that broke off is gone on with: also twice, where its script caught the fault, behind
-- a catch trial that was given, and where triggers started it. What the runs gave is, at the simulator, what
-- one run gives that did not break off, but for what is told as left out.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  %s
end)
]]

local trials = [[
  local list = {}
  for i = 1, 16 do list[i] = mp.pulse(mp.mso(40 + i)) end
  stim:fire(mp.pulse(mp.mso(30)))
  run:note(("began %.3f"):format(stim:play(mp.trials { of = list, every = 0.15 })))
  stim:fire(mp.pulse(mp.mso(70)))]]

describe("a plan that broke off", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function made(out, text, ...)
    local status, said, err = shell.moonpulse(folder, ("%s --out %s/%s"):format(text:format(...),
      folder, out))
    return status, said .. err, fixture.run_in(folder .. "/" .. out)
  end

  local function run(out, body, more)
    shell.write(folder .. "/made.lua", (script:gsub("%%s", function() return body end)))
    return made(out, "run %s/made.lua --seed 7 --speed max %s", folder, more or "")
  end

  --- What the simulator gave: intensities, in their order.
  local function fired(...)
    local list = {}
    for _, path in ipairs { ... } do
      for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
        list[#list + 1] = row.event == "pulse" and row.intensity or nil
      end
    end
    return list
  end

  --- Go on in real time, until there are so many rows of an event, and Ctrl-C.
  local function broken(out, of, event, count)
    local job = jobs:start(out, ("resume %s --speed 1 --tolerance 5000 --out %s/%s"):format(of, folder, out))
    shell.await(function()
      local name = shell.names(folder .. "/" .. out)[1]
      local rows = name and shell.read(("%s/%s/%s/events.tsv"):format(folder, out, name)) or ""
      return select(2, rows:gsub("\t" .. event .. "\t", "")) >= count
    end, "rows")
    job:signal "INT"
    job:wait()
    return fixture.run_in(folder .. "/" .. out)
  end

  it("behind its last pulse is gone on with from its next mark on; a whole one is not", function()
    for body, expected in pairs {
      ['stim:play(mp.pulse(mp.mso(40)) .. mp.mark("a") .. mp.rest(2) .. mp.mark("b") .. mp.rest(60) .. '
        .. 'mp.mark("c") .. mp.mark("d"))'] = { "c", "d" },
      ['stim:play(mp.pulse(mp.mso(40)) .. mp.mark("a"))'] = {},
      ['stim:fire(mp.pulse(mp.mso(40))) stim:play(mp.mark("a") .. mp.rest(60) .. mp.mark("b"))'] =
        { "b" },
    } do
      shell.write(folder .. "/made.lua", (script:gsub("%%s", function()
        return body .. " run:note 'over' run:sleep(60)" end)))
      local job = jobs:start("first", ("run %s/made.lua --timing host --tolerance 5000 --out %s/first")
        :format(folder, folder))
      shell.await(function()
        local name = shell.names(folder .. "/first")[1]
        local rows = name and shell.read(("%s/first/%s/events.tsv"):format(folder, name)) or ""
        return rows:find(expected[2] and "\tb\t" or "\ta\t")
          and (expected[1] or rows:find "over")
      end, "its marks")
      job:signal "INT"
      job:wait()
      local status, text, rest = made("rest", "resume %s --speed max", fixture.run_in(folder .. "/first"))
      assert.are.equal(0, status, text)
      local found = {}
      for _, row in ipairs(shell.rows(rest .. "/events.tsv")) do
        found[#found + 1] = row.event == "mark" and row.reply:match "^%l$" or nil
      end
      assert.are.same(expected, found)
      assert.not_matches("left out", text)
      assert.are.same({}, fired(rest))
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. rest)))
      shell.remove(folder .. "/first")
      shell.remove(folder .. "/rest")
    end
  end)

  it("twice is gone on with, each of its pulses given once", function()
    local _, said, whole = run("whole", trials)
    local began = said:match "began %d+%.%d+"
    local _, _, first = run("first", trials, "--fault unplug@5")
    local second = broken("second", first, "pulse", 4)
    local status, text, third = made("third", "resume %s --speed max", second)
    assert.are.equal(0, status, text)
    local before = #fired(first, second)
    assert.matches(("so far +%d pulses were given, 1 of them perhaps, in 2 plans\n"):format(before), text)
    assert.matches(("what is left of plan 2, of which %d of 16 pulses"):format(before - 1), text, 1, true)
    assert.matches(began, text, 1, true)
    assert.are.same(fired(whole), fired(first, second, third))
    assert.are.equal(2, fixture.manifest(third).begins_at.number)
    for _, path in ipairs { first, second, third } do
      local ok, out, err = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, ok, out .. err)
      assert.is_nil(out:find("(missing)", 1, true), out) -- when it was noted that it was resumed
    end
  end)

  it("is gone on with where its script caught the fault, and its clock goes on", function()
    local body = [[
      local ok = pcall(function() stim:play(mp.pulse(mp.mso(40)):times(30, { every = 1 })) end)
      run:note(("whole: %s at %d s"):format(ok, run:now() // 1))]]
    local _, _, first = run("first", body, "--fault unplug@20")
    local status, text, second = made("second", "resume %s", first)
    assert.are.equal(0, status, text)
    assert.matches("left of plan 1, of which 20 of 30 pulses were given", text, 1, true)
    assert.matches("whole: true at 29 s", text, 1, true)
    assert.are.equal(30, #fired(first, second))
  end)

  it("is not cut where the last of its pulses was left out as late, which is not given then", function()
    local goes_on = require "moonpulse.rerun.experiment_goes_on"
    local function where(late, pulses)
      return goes_on.where({ folder = "run", manifest = {}, files = {}, begin = { options = { late = late } },
        lines = {
        { kind = "begin", clock_ns = "0" },
        { kind = "play", start_ns = "0", pulses = 2, seed = 1 },
        { kind = "play", start_ns = "5", pulses = 3, seed = 2 } } }, { given = 4, perhaps = 0 },
        { pulses = pulses, marks = {} })
    end
    local rows = {}
    for i = 1, 5 do
      rows[i] = { pulse = i, sent = i < 5 and i or nil, status = i < 5 and "sent" or "late" }
    end
    local at = where("skip", rows)
    assert.is_nil(at.past[2].given)
    assert.are.equal(4, at.given)
    assert.are.equal(2, where("abort", rows).past[2].given)
    local _, why = where("skip", { rows[1] })
    assert.matches("fewer pulses of plan 1 than it had, and another plan behind it", why, 1, true)
  end)

  it("tells of how many pulses nobody knows, of all the runs", function()
    local goes_on = require "moonpulse.rerun.experiment_goes_on"
    local lines = { { kind = "begin", clock_ns = "0" },
      { kind = "before", what = "play", pulses = 2, seed = 1, starts_ns = { 0 } },
      { kind = "before", what = "end", then_ns = "5", given = 2, perhaps = 2 },
      { kind = "play", start_ns = "0", pulses = 1, seed = 2 } }
    local recipe = { folder = "run", manifest = {}, files = {}, begin = { options = {} }, lines = lines }
    local rows = { pulses = { { pulse = 1, sent = 1, status = "perhaps_sent" } }, marks = {} }
    local at = goes_on.where(recipe, { given = 1, perhaps = 1 }, rows)
    assert.are.equal(3, at.perhaps)
    assert.are.equal(3, at.past[#at.past].perhaps) -- for the one behind it
    lines[3].perhaps = nil
    assert.are.equal(1, goes_on.where(recipe, { given = 1, perhaps = 1 }, rows).perhaps)
  end)

  it("is so long ago as all the runs were apart, and of the session of its day", function()
    local pasts, hour = require "moonpulse.experiment.past", 3600000000000
    local function play(seed) return { kind = "play", start_ns = "0", pulses = 1, seed = seed } end
    local function ended(ago, counts)
      return { kind = "before", what = "end", then_ns = "5", ago_ns = tostring(ago), counts = counts }
    end
    local function before(entry, ago)
      return { kind = "before", what = "play", pulses = 1, seed = entry, starts_ns = { 0 }, ago_ns = ago }
    end
    local function ago(lines)
      table.insert(lines, 1, { kind = "begin", clock_ns = "0" })
      local list = {}
      for i, entry in ipairs((pasts.until_now(lines))) do
        list[i] = { (entry.ago_ns or 0) // hour, entry.other_session or false }
      end
      return list
    end
    assert.are.same({ { 1, false }, { 0, false } }, ago { before(1), ended(hour, true), play(2) })
    assert.are.same({ { 3, false }, { 2, false }, { 0, false } },
      ago { before(1, tostring(hour)), before(2), ended(2 * hour, true), play(3) })
    assert.are.same({ { 24, true }, { 0, false } }, ago { before(1), ended(24 * hour), play(2) })
  end)

  it("gives no catch trial again, and waits no longer than its plan", function()
    local body = [[
      local function ts(n) return mp.pulse(mp.mso(n)):label "TS" end
      stim:play(mp.trials { of = { ts(40), ts(41), mp.mark "catch 1", ts(42), mp.mark "catch 2", ts(43) },
        every = 0.8 })]]
    local _, _, first = run("first", body, "--fault unplug@1")
    local second = broken("second", first, "mark", 2) -- the armed one, and catch 1
    local status, text, third = made("third", "resume %s --speed max", second)
    assert.are.equal(0, status, text)
    assert.are.same({ "40", "41", "42", "43" }, fired(first, second, third))
    local seen, onset = {}, nil
    for _, path in ipairs { first, second, third } do
      onset = nil
      for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
        local catch = row.event == "mark" and row.reply:match "catch %d" or nil
        seen[#seen + 1] = catch
        onset = onset or (catch or row.event == "pulse") and tonumber(row.onset) or nil
      end
    end
    assert.are.same({ "catch 1", "catch 2" }, seen)
    assert.is_true(onset < 1.3, onset) -- of the third: no silence is waited for twice
  end)

  it("by a trigger is told what it does not make up for, and not started too soon", function()
    local body = [[
      local starts, came = stim:on_trigger(mp.train { pulses = 5, hz = 10, intensity = mp.mso(50) },
        { count = 4, refractory = 3, byte = 1 })
      run:note(("%d starts of %d triggers"):format(starts, came))
      run:ask "On?"
      run:note(("behind %d starts of %d"):format(starts, came))
      stim:fire(mp.pulse(mp.mso(60)))]]
    shell.write(folder .. "/triggers", "1 port 1\n5 port 1\n9 port 1\n13 port 1\n")
    local _, _, first = run("first", body, ("--triggers %s/triggers --fault unplug@8 --answers /dev/null")
      :format(folder))
    local given = #fired(first)
    local status, text, second = made("second", "resume %s --answers /dev/null", first)
    assert.are.equal(2, status, text)
    assert.matches(("so far +%d pulses were given, 1 of them perhaps"):format(given), text)
    assert.matches("left out: 2 pulses of a trial that had begun", text, 1, true)
    assert.matches("4 starts of 4 triggers", text, 1, true)
    assert.is_nil(text:find("OVER", 1, true), text)
    assert.are.equal(given + 10, #fired(first, second))
    shell.write(folder .. "/answers", "yes\n")
    local third
    status, text, third = made("third", "resume %s --answers %s/answers", second, folder)
    assert.are.equal(0, status, text)
    assert.is_nil(text:find("4 starts of 4 triggers", 1, true)) -- which the second run noted
    assert.matches("behind 4 starts of 4", text, 1, true)
    assert.are.same({ "60" }, fired(third))
    assert.are.equal(given + 10, fixture.manifest(third).begins_at.pulses_before)
  end)

  it("keeps so many of its marks as there were, whatever of it was given", function()
    local mp, rests = require "moonpulse", require "moonpulse.experiment.rest"
    local function go(n) return mp.pulse(mp.mso(n)) end
    local plan = mp.trials { of = { mp.mark "a", go(1), mp.mark "b", mp.mark "c", go(2), go(3), mp.mark "d",
      go(4) }, every = 2 }
    local function events(of)
      local schedule, list = core.schedule(of, 1), {}
      for kind, _, number, label, ns in function() return schedule:next() end do
        if kind == "pulse" or kind == "mark" then
          list[#list + 1] = { what = kind == "mark" and label or "p", ns = ns, pulse = number }
        end
      end
      return list
    end
    local order, pulses, marks = events(plan), 0, 0
    for i = 0, #order - 1 do
      pulses = pulses + (i > 0 and order[i].what == "p" and 1 or 0)
      marks = marks + (i > 0 and order[i].what ~= "p" and 1 or 0)
      local rest = rests.of(plan, 1, pulses, marks)
      local left = events(rest.plan)
      for j, event in ipairs(left) do
        assert.are.equal(order[i + j].what, event.what)
        assert.are.equal(order[i + j].ns, event.ns + rest.begins_ns)
      end
      assert.are.equal(#order - i, #left)
    end
  end)
end)
