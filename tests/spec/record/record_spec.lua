-- The rows of events.tsv: sorted by onset, marks at their planned onset, and the same in a run, in virtual
-- time and from the flight record.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local order = require "moonpulse.record.order"
local records = require "moonpulse.record"
local shell = require "shell"

local seed = math.tointeger(tonumber(os.getenv("MP_SEED") or "")) or core.random_seed()
-- A host that was held up skips what would be late: it has its row as the rest has. None is so late that it
-- comes behind a mark that was planned after it.
local loose = " --tolerance 20 --late skip --beyond-guidelines test --approval none "

--- Rows in order, none negative, numbered; marks at their planned onsets.
local function check_rows(path)
  local rows = shell.rows(path .. "/events.tsv")
  for i, row in ipairs(rows) do
    local onset = tonumber(row.onset)
    assert.are.equal(tostring(i), row.index)
    assert.is_true(onset >= 0, ("%s: row %d has onset %s"):format(path, i, row.onset))
    assert.is_true(i == 1 or onset >= tonumber(rows[i - 1].onset),
      ("%s: row %d is not sorted"):format(path, i))
    if row.event == "mark" then
      assert.are.equal("n/a", row.onset_sent_us)
      assert.near(tonumber(row.onset_planned_us), onset * 1e6, 0.002)
    elseif row.onset_sent_us == "n/a" then
      assert.near(tonumber(row.onset_planned_us), onset * 1e6, 0.002)
    else
      assert.near(tonumber(row.onset_sent_us), onset * 1e6, 0.002)
    end
  end
  return rows
end

describe("the record's order", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function onsets(path)
    local list = {}
    for i, row in ipairs(shell.rows(path)) do
      list[i] = row.onset
    end
    return table.concat(list, " ")
  end

  it("is that of the onsets, whatever is told first, and is kept while rows are open", function()
    local random = math.random
    math.randomseed(seed)
    for _ = 1, os.getenv("MP_QUICK") and 2 or 50 do -- quick: under valgrind
      local record = assert(records.create(folder, "made"))
      local expected, now = {}, 0
      for _ = 1, 200 do
        now = now + random(0, 3)
        -- some come too late: they are put in place at the end
        local onset = math.max(0, now + random(-3, 20))
        record:event(random(2) == 1 and "mark" or "set_intensity", onset, nil, "passed", "x")
        record:advance(now)
        expected[#expected + 1] = onset
      end
      record:close()
      table.sort(expected)
      for i, onset in ipairs(expected) do
        expected[i] = ("%.9f"):format(onset / 1e9)
      end
      assert.are.equal(table.concat(expected, " "), onsets(record.folder .. "/events.tsv"), "seed " .. seed)
      check_rows(record.folder)
    end
  end)

  it("does not hold rows that nothing can come before", function()
    local record = assert(records.create(folder, "made"))
    for i = 1, 1000 do
      record:event("mark", i * 1000, nil, "passed", "x")
      record:advance(i * 1000)
      assert.is_true(record.last - record.first < 2)
    end
    record:close()
  end)

  it("puts a mark before what comes at the same instant, and numbers anew", function()
    local path = folder .. "/rows"
    shell.write(path, "onset\tduration\ttrial_type\tindex\tevent\n"
      .. "2.0\t0\tmark\t1\tpulse\n1.0\t0\ta\t2\tpulse\n"
      .. "2.0\t0\tmark\t3\tmark\n0.5\t0\ta\t4\tpulse\n3.0\t0\ta\t5\tpulse\n")
    assert(order.settle(path))
    assert.are.equal("onset\tduration\ttrial_type\tindex\tevent\n"
      .. "0.5\t0\ta\t1\tpulse\n1.0\t0\ta\t2\tpulse\n2.0\t0\tmark\t3\tmark\n2.0\t0\tmark\t4\tpulse\n"
      .. "3.0\t0\ta\t5\tpulse\n", shell.read(path))
    assert.are.same({ "rows" }, shell.names(folder))
  end)

  it("changes nothing where the disk is full", function()
    local path = folder .. "/rows"
    shell.write(path, "onset\tduration\ttrial_type\tindex\tevent\n2.0\t0\ta\t1\tpulse\n1.0\t0\ta\t2\tpulse\n")
    core.most_file(0)
    local ok, message = order.settle(path)
    core.most_file()
    assert.is_nil(ok)
    assert.is_string(message)
    assert.matches("\n2.0", shell.read(path), 1, true)
  end)
end)

describe("the rows of a run", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function run(name, arguments)
    local out = folder .. "/" .. name
    local status, text, err = shell.moonpulse(folder, ("run %s --out %s"):format(arguments, out))
    local names = shell.names(out)
    return #names == 1 and out .. "/" .. names[1] or nil, status, text .. err
  end

  --- What recover makes of a run that has ended, as if it had been killed at its very end.
  local function recovered(path, arguments)
    local copy = path .. "-copy"
    os.execute(("cp -r %s %s"):format(shell.quote(path), shell.quote(copy)))
    local manifest = cjson.decode(shell.read(copy .. "/manifest.json"))
    manifest.status, manifest.result = "running", nil
    shell.write(copy .. "/manifest.json", cjson.encode(manifest))
    os.remove(copy .. "/events.tsv")
    local status, out, err = shell.moonpulse(folder, "recover " .. copy .. (arguments or ""))
    assert.are.equal(0, status, out .. err)
    return copy, out
  end

  local function same_rows(path)
    local copy, out = recovered(path)
    assert.are.equal(shell.read(path .. "/events.tsv"), shell.read(copy .. "/events.tsv"))
    assert.is_nil(out:find("could not be read", 1, true), out)
    assert.is_nil(out:find("no record of", 1, true), out)
    local live = cjson.decode(shell.read(path .. "/manifest.json")).result
    local again = cjson.decode(shell.read(copy .. "/manifest.json")).result
    for _, key in ipairs { "pulses_sent", "pulses_confirmed", "pulses_skipped", "pulses_planned" } do
      assert.are.equal(live[key], again[key], key)
    end
    return check_rows(path)
  end

  --- A plan of marks and pulses at random distances, short enough for real time.
  local function random_plan(random, trains)
    local parts = {}
    for i = 1, 5 do
      if random(2) == 1 then
        parts[#parts + 1] = ('mp.mark "m%d"'):format(i)
      end
      parts[#parts + 1] = (trains or random(3) == 1)
        and "mp.train { pulses = 3, hz = 10, intensity = mp.mso(30) } .. mp.rest(0.2)"
        or "mp.pulse(mp.mso(30)) .. mp.rest(0.35)"
      if random(2) == 1 then
        parts[#parts + 1] = ('mp.mark "n%d"'):format(i)
      end
    end
    return 'local mp = require "moonpulse"\nreturn mp.protocol { id = "made", name = "Made", '
      .. "plan = function()\nreturn " .. table.concat(parts, " .. ") .. " end }\n"
  end

  local function planned(rows)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = ("%s %s %s %s %s"):format(row.event, row.onset_planned_us, row.channel, row.intensity,
        row.event == "mark" and row.reply or row.pulse)
    end
    return table.concat(list, "\n")
  end

  describe("at random", function()
    local shared
    local all = { { "magventure", "host" }, { "magventure", "device" },
      { "pulsepal", "host" }, { "pulsepal", "device" }, { "stimjim", "device" } }

    setup(function() -- all at the same time: they mostly wait
      shared = shell.folder()
      local commands = {}
      for i, case in ipairs(all) do
        math.randomseed(seed)
        case.plan = ("%s/made%d.lua"):format(shared, i)
        shell.write(case.plan, random_plan(math.random, case[2] == "device"))
        case.what = ("%s --device sim:%s --timing %s%s"):format(case.plan, case[1], case[2], loose)
        commands[i] = ("%s run --out %s/live%d %s"):format(shell.quote(shell.program), shared, i, case.what)
      end
      for i, result in ipairs(shell.together(shared, commands)) do
        all[i].live = result
      end
    end)
    teardown(function() shell.remove(shared) end)

    for i, case in ipairs(all) do
      it(("are sorted and the same live, in virtual time and from the flight record: %s, %s"):format(case[1],
        case[2]), function()
        local status, text = case.live.status, case.live.out .. case.live.err
        if status == 2 or status == 3 then
          return pending(("refused (seed %d): %s"):format(seed, text:match("[^\n]*\n?$")))
        end
        assert.are.equal(0, status, ("seed %d: %s"):format(seed, text))
        local rows = same_rows(fixture.run_in(("%s/live%d"):format(shared, i)))
        local virtual = run("virtual", case.what .. "--speed max")
        assert.are.equal(planned(check_rows(virtual)), planned(rows), "seed " .. seed)
      end)
    end
  end)

  describe("with a fault", function()
    local shared, paths
    local list = { "drop@4", "flip@3", "duplicate@3", "nak@2", "unplug@3", "half-open@3", "delay@2" }

    setup(function() -- all at the same time: they mostly wait
      shared, paths = shell.folder(), {}
      shell.write(shared .. "/made.lua", [[local mp = require "moonpulse"
        return mp.protocol { id = "made", name = "Made", plan = function()
          return mp.train { pulses = 8, hz = 10, intensity = mp.mso(40) } .. mp.mark "end" end }]])
      for _, timing in ipairs { "host", "device" } do
        local commands = {}
        for i, fault in ipairs(list) do
          paths[fault .. timing] = ("%s/%s%s"):format(shared, fault, timing)
          commands[i] = ("%s run %s/made.lua --fault %s --timing %s%s --out %s"):format(
            shell.quote(shell.program), shared, fault, timing, loose, paths[fault .. timing])
        end
        shell.together(shared, commands)
      end
    end)
    teardown(function() shell.remove(shared) end)

    for _, fault in ipairs(list) do
      for _, timing in ipairs { "host", "device" } do
        it(("%s, timed by the %s, are the same from the flight record"):format(fault, timing), function()
          same_rows(fixture.run_in(paths[fault .. timing]))
        end)
      end
    end
  end)

  it("are the same from the flight record of an experiment with two plans, marks and a stop", function()
    shell.write(folder .. "/exp.lua", [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        run:mark "before"
        stim:arm()
        stim:fire(mp.pulse(mp.mso(30)))
        run:mark "between"
        run:spawn(function() for i = 1, 5 do run:sleep(0.05); run:mark("beside " .. i) end end)
        stim:play(mp.train { pulses = 4, hz = 10, intensity = mp.mso(50) } .. mp.mark "planned")
        run:stop "enough"
      end }]])
    local path = run("e", folder .. "/exp.lua" .. loose)
    assert.are.equal(5, #(function(rows)
      local pulses = {}
      for _, row in ipairs(rows) do
        pulses[#pulses + 1] = row.event == "pulse" and row or nil
      end
      return pulses
    end)(same_rows(path)))
  end)

  it("names what the flight record has lost, and invents nothing", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 30, hz = 20, intensity = mp.mso(40) } end }]])
    local path = run("d", ("%s/made.lua --timing host%s"):format(folder, loose))
    local bytes = shell.read(path .. "/flight.bin")
    local stored = (#bytes - 4096) // 64
    shell.write(path .. "/flight.bin", bytes:sub(1, 4096 + 20 * 64))
    local copy, out = recovered(path)
    assert.matches(("%d records of %d could not be read %%(%d missing at the end; places 21 to %d"):format(
      stored - 20, stored, stored - 20, stored), out)
    check_rows(copy)
    shell.remove(copy)
    shell.write(path .. "/flight.bin", bytes:sub(1, 4096 + 10 * 64) .. ("\0"):rep(128)
      .. bytes:sub(4096 + 12 * 64 + 1))
    copy, out = recovered(path)
    assert.matches("2 records of %d+ could not be read %(2 empty; places 11 to 12 of flight.bin%)", out)
    shell.remove(copy)
    -- every byte of the header that has a meaning: refused or said, and never another onset
    local whole = shell.read(path .. "/events.tsv")
    for at = 1, 72, 5 do
      local flipped = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 0x11) .. bytes:sub(at + 1)
      shell.write(path .. "/flight.bin", flipped)
      local damaged = path .. "-damaged"
      os.execute(("rm -rf %s; cp -r %s %s"):format(damaged, path, damaged))
      local manifest = cjson.decode(shell.read(damaged .. "/manifest.json"))
      manifest.status = "running"
      shell.write(damaged .. "/manifest.json", cjson.encode(manifest))
      local status, text = shell.moonpulse(folder, "recover " .. damaged)
      if status == 0 then
        assert.is_truthy(text:find("damaged", 1, true) or text:find("could not be read", 1, true),
          "byte " .. at)
        assert.are.equal(whole, shell.read(damaged .. "/events.tsv"))
      else
        assert.are.equal(2, status)
      end
    end
  end)

  it("take no more of the flight record the more keep-alives there are", function()
    shell.write(folder .. "/ka.lua", [[local m = require "moonpulse.devices.magstim200"
      local M = {}
      for k, v in pairs(m) do M[k] = v end
      M.name, M.reply_timeout, M.reply_slow = "ka", 3, 3 -- a simulator that gets no processor is not gone
      M.keepalive = { bytes = m.keepalive.bytes, period = 0.02, answered = true }
      return M]])
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.pulse(mp.mso(40)) .. mp.rest(4) .. mp.pulse(mp.mso(40)) end }]])
    local path, status, text = run("k", ("%s/made.lua --device sim:%s/ka.lua%s"):format(folder, folder,
      loose))
    assert.are.equal(0, status, text)
    assert.is_true(#shell.read(path .. "/flight.bin") < 4096 + 30 * 64)
  end)
end)
