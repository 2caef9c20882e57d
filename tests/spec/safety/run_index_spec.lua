--- The index of runs: its answer is that of the folders, whatever was done to them or to it.
local cjson = require "cjson"
local chance = require "chance"
local facts_of = require "moonpulse.safety.run_facts"
local histories = require "moonpulse.safety.history"
local indices = require "moonpulse.safety.run_index"
local lfs = require "lfs"
local shell = require "shell"

local now = os.time { year = 2026, month = 11, day = 25, hour = 15, min = 0, sec = 0 }

local folder

setup(function()
  folder = shell.folder() .. "/runs"
  lfs.mkdir(folder)
end)

teardown(function()
  os.remove(assert(indices.path(folder)))
  shell.remove(folder:match "^(.*)/")
end)

local codes = { "P07", "p07 ", "P08", "P09", "P07x" }

--- The manifest of a drawn run, with more or less that is right in it.
local function manifest_of(draw)
  local manifest = { participant = codes[draw:draw(1, #codes)], status = draw:draw(1, 8) == 1 and "running"
      or "completed", kind = "protocol", protocol = { id = "itbs600", pulses = 600 },
    started = os.date("!%Y-%m-%dT%H:%M:%SZ", now - draw:draw(0, 12 * 86400)),
    device = { simulated = draw:draw(1, 4) == 1, backend = "pty" },
    result = { pulses_sent = draw:draw(0, 3) * 200, elapsed_s = 100 } }
  local odd = draw:draw(1, 12)
  if odd == 1 then
    manifest.participant = nil
  elseif odd == 2 then
    manifest.started = "some day"
  elseif odd == 3 then
    manifest.result = nil
  end
  return odd == 4 and "{ no manifest" or cjson.encode(manifest)
end

local function write_run(draw, name)
  local path = folder .. "/" .. name
  lfs.mkdir(path)
  local kind = draw:draw(1, 20)
  if kind > 1 then
    shell.write(path .. "/manifest.json", manifest_of(draw))
  end
  shell.write(path .. "/events.tsv", "onset\tevent\tonset_planned_us\tstatus\n"
    .. ("0.0\tpulse\t0.0\tdelivered\n"):rep(kind > 2 and draw:draw(0, 30) or 0))
end

--- All that the two ways say of a participant.
local function answers(code)
  local function said(names)
    local known = histories.of(folder, code, now, false, nil, names)
    local runs = {}
    for i, run in ipairs(known.runs) do
      runs[i] = ("%s %s %s %s %s"):format(run.path, run.at, run.ended, run.pulses, run.torn)
    end
    table.sort(runs)
    table.sort(known.notes)
    return { runs = runs, notes = known.notes, unreadable = known.unreadable, day = known.day,
      week = known.week, sessions = known.sessions, simulated = known.simulated,
      last_end_s = known.last_end_s }
  end
  local names = indices.ask(folder, { least = 1 }, function(index)
    return index:names_of(facts_of.key(code))
  end)
  return said { [folder] = names }, said(false), #names
end

local function compare()
  local skipped = 0
  for _, code in ipairs { "P07", "P08", "p09", "nobody" } do
    local indexed, read, looked_at = answers(code)
    assert.are.same(read, indexed)
    skipped = skipped + #shell.names(folder) - looked_at
  end
  return skipped
end

--- How many folders are read while call() goes on.
local function reads(call)
  local of, count = facts_of.of, 0
  facts_of.of = function(...)
    count = count + 1
    return of(...)
  end
  local ok, problem = pcall(call)
  facts_of.of = of
  assert(ok, problem)
  return count
end

--- What changed less than 2 s ago is read again in any case: waits until that is over, by the times of files,
--- which are the computer's.
local function settle()
  local probe = folder .. "-now"
  shell.write(probe, "")
  local made = lfs.attributes(probe, "change")
  os.remove(probe)
  shell.await(function() return os.time() >= made + 3 end, "files that are three seconds old")
end

local function damage(draw)
  local path = assert(indices.path(folder))
  local text = assert(shell.read(path))
  for _ = 1, draw:draw(1, 3) do
    local at = draw:draw(1, #text)
    text = text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1 << draw:draw(0, 7)) .. text:sub(at + 1)
  end
  shell.write(path, text)
end

describe("the index of runs", function()
  it("says what the folders say, and reads again what changed, by whatever hand", function()
    local draw = chance.new(12)
    for i = 1, 120 do
      write_run(draw, ("run%03d"):format(i))
    end
    assert.is_true(compare() > 100, "most are left out")
    settle()
    compare()
    local unsettled = reads(compare) / 4 -- of four participants: torn, unreadable, without a time
    assert.is_true(unsettled < 60, unsettled)
    -- each kind of change: another file of that name, in place with its old length and time, gone, new
    local function changed(name, change)
      local path = ("%s/%s"):format(folder, name)
      assert(os.execute(("cd %s && %s"):format(shell.quote(path), change)))
    end
    for i = 1, 120, 7 do
      local name = ("run%03d"):format(i)
      local kind = i % 5
      if kind == 0 then
        changed(name, "touch -r . ../when; sed -i 's/P0[789]/P07/' manifest.json 2>/dev/null; "
          .. "touch -r ../when . *")
      elseif kind == 1 then
        changed(name, "[ ! -f manifest.json ] || { touch -r manifest.json ../when; "
          .. "sed 's/P0[789]/P07/' manifest.json >../text; cat ../text >manifest.json; "
          .. "touch -r ../when manifest.json; }")
      elseif kind == 2 then
        changed(name, "rm -f manifest.json")
      elseif kind == 3 then
        assert(os.execute("rm -r " .. shell.quote(folder .. "/" .. name)))
      else
        write_run(draw, name .. "x")
      end
    end
    compare()
    settle()
    compare()
    assert.is_true(reads(compare) / 4 <= unsettled + 10)
  end)

  it("is found out where its file is damaged, by bits, cut short or replaced", function()
    local path, draw = assert(indices.path(folder)), chance.new(5)
    for _ = 1, 25 do
      damage(draw)
      compare()
    end
    local whole = shell.read(path)
    local said = {}
    for _, text in ipairs { whole:sub(1, #whole // 2), "no database at all", ("x"):rep(#whole) } do
      shell.write(path, text)
      indices.ask(folder, { least = 1, say = function(words) said[#said + 1] = words end }, function() end)
      compare()
    end
    assert.matches("index of runs was damaged .*: it is made anew from the folders", table.concat(said, "\n"))
    os.remove(path)
    lfs.mkdir(path)
    compare() -- no file can be had: in memory
    lfs.rmdir(path)
    assert.are.equal(nil, indices.ask(folder .. "/none", nil, function() return 1 end))
  end)

  it("has the folders whose name begins with a dot, too", function()
    local path = folder .. "/.hidden"
    lfs.mkdir(path)
    shell.write(path .. "/manifest.json", cjson.encode { participant = "hidden", status = "completed",
      started = os.date("!%Y-%m-%dT%H:%M:%SZ", now - 60), device = { simulated = false },
      result = { pulses_sent = 20 } })
    local indexed, read = answers "hidden"
    assert.are.equal(20, read.day)
    assert.are.same(read, indexed)
  end)

  it("is not needed: whatever becomes of it, a participant's history is that of the folders", function()
    local real, is_large = indices.ask, indices.is_large
    indices.is_large = function() return true end
    for _, failing in ipairs { function() error "no index" end, function() error {} end, function() end } do
      indices.ask = failing
      local known, read = histories.of(folder, "P07", now), histories.of(folder, "P07", now, nil, nil, false)
      assert.are.same({ read.day, read.week, read.sessions }, { known.day, known.week, known.sessions })
      assert.is_true(known.sessions > 0)
      assert.is_nil(known.missing)
    end
    indices.ask, indices.is_large = real, is_large
  end)

  it("is for its owner alone, and is asked by several programs at once", function()
    local path = assert(indices.path(folder))
    os.remove(path)
    local command = ("XDG_CACHE_HOME=%s %s runs --out %s --all --json"):format(os.getenv "XDG_CACHE_HOME",
      shell.quote(shell.program), shell.quote(folder))
    for i = 1, 100 do
      write_run(chance.new(i), "more" .. i)
    end
    local found = shell.together(folder:match "^(.*)/", { command, command, command })
    for _, each in ipairs(found) do
      assert.are.equal(0, each.status, each.err)
      assert.are.equal(found[1].out, each.out)
    end
    assert.are.equal("rw-------", lfs.attributes(path, "permissions"))
    assert.is_true(#cjson.decode(found[1].out).runs > 150)
    compare()
  end)

  it("hands on what whoever asks refuses, and asks once", function()
    local asked = 0
    local ok, problem = pcall(indices.ask, folder, { least = 0 }, function()
      asked = asked + 1
      error({ code = "usage", message = "not so" }, 0)
    end)
    assert.is_false(ok)
    assert.are.same({ "usage", "not so", 1 }, { problem.code, problem.message, asked })
  end)
end)
