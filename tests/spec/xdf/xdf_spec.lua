-- moonpulse export xdf: a run as LabRecorder would have recorded it, read by a reader that was written from
-- the format's page alone (tests/helpers/xdf_reader.py). Times are compared with the digits of events.tsv.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local folder

local function read(path)
  local status, out, err = shell.sh(folder, "python3 tests/helpers/xdf_reader.py " .. path)
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

--- Run it in virtual time; returns its folder.
local function run(name, text, options)
  shell.write(("%s/%s.lua"):format(folder, name), 'local mp = require "moonpulse"\n' .. text)
  local out = ("%s/%s"):format(folder, name)
  local _, said, err = shell.moonpulse(folder, ("run %s.lua --speed max --out %s %s"):format(out, out,
    options or ""))
  return fixture.run_in(out) or error(said .. err)
end

local function export(path, name)
  local file = ("%s/%s.xdf"):format(folder, name)
  local status, out, err = shell.moonpulse(folder, ("export xdf %s -o %s"):format(path, file))
  assert.are.equal(0, status, err)
  return read(file), out
end

--- The rows of events.tsv, each cell by its column; onset_ns: whole, from its digits.
local function rows_of(path)
  local rows, columns = {}, nil
  for line in shell.read(path .. "/events.tsv"):gmatch "[^\n]+" do
    local cells = {}
    for cell in (line .. "\t"):gmatch "([^\t]*)\t" do
      cells[#cells + 1] = cell
    end
    if columns then
      local row = {}
      for i, column in ipairs(columns) do
        row[column] = cells[i]
      end
      local whole, part = row.onset:match "^(%-?%d+)%.(%d+)$"
      row.onset_ns = whole and math.tointeger(tonumber(whole .. part:sub(1, 9) .. ("0"):rep(9 - #part)))
      rows[#rows + 1] = row
    end
    columns = columns or cells
  end
  return rows
end

--- Onset 0 on the run's clock: where a protocol's plan starts, or where an experiment's journal begins.
local function zero_ns(path)
  local journal = shell.read(path .. "/journal.jsonl")
  local start = journal:find('"what":"protocol"', 1, true)
    and journal:match '"kind":"play".-"start_ns":"(%d+)"'
  return math.tointeger(tonumber(start or journal:match '"clock_ns":"(%d+)"'))
end

--- When the simulator had each pulse, by its own log: seconds on the same clock in virtual time.
local function twin_times(path)
  local times = {}
  for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
    times[#times + 1] = row.event == "pulse" and tonumber(row.time) or nil
  end
  return times
end

--- Each sample is so long after the beginning as a row's onset, to a microsecond.
local function assert_times(stream, rows, path)
  assert.are.equal(#rows, #stream.times)
  for i, row in ipairs(rows) do
    local ns = stream.times[i] * 1e9 - zero_ns(path) - row.onset_ns
    assert.is_true(math.abs(ns) < 1000, ("%d: %g ns"):format(i, ns))
  end
end

local function of_event(rows, event)
  local list = {}
  for _, row in ipairs(rows) do
    list[#list + 1] = row.event == event and row or nil
  end
  return list
end

local coded = [[
local ts = mp.pulse { intensity = mp.mso(45), code = 2 }:label "T<S>"
return mp.mark("begin & go", { code = 100 }) .. mp.rest(0.3337) .. ts:times(3, { every = "8/3" })
  .. mp.rest(2) .. mp.mark "between" .. mp.pulse(mp.mso(50))
]]

describe("export xdf", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("has the pulses, marks and codes of the record, at its times", function()
    local path = run("coded", coded, "--codes sim")
    local found, said = export(path, "coded")
    local rows = rows_of(path)
    assert.are.equal("1.0", found.version)
    assert.matches("4 pulses, %d+ markers", said)
    local markers, pulses, codes = found.streams[1], found.streams[2], found.streams[3]
    assert.are.same({ "Moonpulse", "Markers", "string", "0" }, { markers.info.name, markers.info.type,
      markers.info.channel_format, markers.info.nominal_srate })
    assert_times(pulses, of_event(rows, "pulse"), path)
    assert_times(codes, of_event(rows, "code"), path)
    for i, row in ipairs(of_event(rows, "code")) do
      assert.are.same({ tonumber(row.reply) }, codes.values[i])
    end
    for i, row in ipairs(of_event(rows, "pulse")) do
      assert.are.same({ tonumber(row.pulse), tonumber(row.intensity_mso), tonumber(row.lateness_us),
        tonumber(row.trial) or cjson.null, tonumber(row.block) or cjson.null, 1, 1,
        i < 4 and 2 or cjson.null }, pulses.values[i])
    end
    local texts, start = {}, markers.times[1]
    for i, each in ipairs(markers.values) do
      texts[i] = each[1]
    end
    assert.are.same({ "start " .. path:match "[^/]+$", "mark begin & go code=100", "pulse T<S> code=2",
      "pulse T<S> code=2", "pulse T<S> code=2", "mark between", "pulse", "stop finished" }, texts)
    assert.is_true(math.abs(start * 1e9 - zero_ns(path)) < 1000)
    local own = of_event(rows, "pulse")
    for i, at in ipairs { 3, 4, 5, 7 } do
      assert.is_true(math.abs((markers.times[at] - start) * 1e9 - own[i].onset_ns) < 1000, i)
    end
  end)

  it("says in each stream's footer what is in it, and that its clock is one", function()
    local found = export(run("footer", coded), "footer")
    assert.are.equal(2, #found.streams)
    for _, stream in ipairs(found.streams) do
      assert.are.equal(#stream.times, tonumber(stream.footer.sample_count))
      assert.is_true(math.abs(tonumber(stream.footer.first_timestamp) - stream.times[1]) < 1e-8)
      assert.is_true(math.abs(tonumber(stream.footer.last_timestamp) - stream.times[#stream.times]) < 1e-8)
      assert.are.equal(2, #stream.offsets)
      for i, offset in ipairs(stream.offsets) do
        assert.are.equal(0, offset[2])
        assert.is_true(math.abs(offset[1] - tonumber(stream.footer.clock_offsets.offset[i].time)) < 1e-8)
      end
      for i = 2, #stream.times do
        assert.is_true(stream.times[i] >= stream.times[i - 1])
      end
    end
  end)

  it("has the pulses at the times at which the simulator had them, behind arming and what was waited for",
    function()
      local plan = "mp.pulse(mp.mso(40)):times(3, { every = 5 })"
      shell.write(folder .. "/late.txt", "61.5 port 53\n")
      for name, each in pairs {
        protocol = { "return " .. plan, "--device sim:magstim200" },
        waited = { "return " .. plan, "--start-on byte=53 --triggers " .. folder .. "/late.txt" },
        experiment = { ("return mp.experiment(function(run) local stim = run:device() stim:arm() "
          .. "stim:play(%s) end)"):format(plan), "--device sim:magstim200" },
      } do
        local path = run(name, each[1], each[2])
        local found, times = export(path, name), twin_times(path)
        local markers = found.streams[1].times
        assert.are.equal(3, #times, name)
        for i, at in ipairs(found.streams[2].times) do
          assert.is_true(math.abs(at - times[i]) < 0.01, ("%s: %.6f, %.6f"):format(name, at, times[i]))
        end
        assert.is_true(markers[#markers] >= times[3] and markers[#markers] < times[3] + 10, name)
      end
    end)

  it("has all of many pulses, and texts of any length", function()
    local path = run("many", 'return mp.pulse(mp.mso(20)):label "long":times(5000, { every = 30 })')
    local found = export(path, "many")
    assert_times(found.streams[2], of_event(rows_of(path), "pulse"), path)
    assert.are.equal(5000 + 2, #found.streams[1].times)
    path = run("long", [[
      return mp.experiment(function(run)
        for _, n in ipairs { 1, 245, 246, 247, 248, 400, 895 } do run:note(("x"):rep(n)) end
      end)
    ]])
    found = export(path, "long")
    local lengths = {}
    for _, each in ipairs(found.streams[1].values) do
      lengths[#lengths + 1] = each[1]:find "^mark x+$" and #each[1] - #"mark " or nil
    end
    assert.are.same({ 1, 245, 246, 247, 248, 400, 895 }, lengths)
    assert.are.same({}, found.streams[2].times)
  end)

  it("of a run that was stopped has what left, and why it ended", function()
    local path = run("stopped", 'return mp.pulse(mp.mso(40)):times(9, { every = 5 })', "--fault unplug@4")
    local found = export(path, "stopped")
    local left = {}
    for _, row in ipairs(of_event(rows_of(path), "pulse")) do
      left[#left + 1] = row.onset_sent_us ~= "n/a" and row or nil
    end
    assert.is_true(#left >= 3 and #left < 9)
    assert_times(found.streams[2], left, path)
    local texts = found.streams[1].values
    assert.are.equal("stop gone", texts[#texts][1])
  end)

  it("goes to standard output, beside its run, and over nothing", function()
    local path = run("places", coded)
    local status, _, err = shell.sh(folder, ("%s export xdf %s -o - >%s/piped.xdf"):format(shell.program,
      path, folder))
    assert.are.equal(0, status, err)
    assert.are.equal(0, (shell.moonpulse(folder, ("export xdf %s --out %s"):format(path, folder))))
    local named = ("%s/%s.xdf"):format(folder, path:match "[^/]+$")
    assert.are.equal(shell.read(folder .. "/piped.xdf"), shell.read(named))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    status, _, err = shell.moonpulse(folder, ("export xdf %s --out %s"):format(path, folder))
    assert.are.equal(2, status)
    assert.matches("is there already", err, 1, true)
    shell.sh(folder, ("chmod -R u+w %s; sed -i 1d %s/journal.jsonl"):format(path, path))
    status, _, err = shell.moonpulse(folder, ("export xdf %s -o %s/changed.xdf"):format(path, folder))
    assert.are.equal(2, status)
    assert.matches("does not begin with the run's beginning", err, 1, true)
  end)

  it("at once to one place is one, whole, and the others are told", function()
    local path = run("at_once", coded)
    local status, out = shell.sh(folder, ([[for i in 1 2 3 4; do
      { %s export xdf %s -o %s/once.xdf >/dev/null 2>&1; echo $?; } & done; wait]]):format(
      shell.quote(shell.program), path, folder))
    assert.are.equal(0, status)
    assert.are.equal(1, select(2, out:gsub("%f[%w]0\n", "")), out)
    assert.are.equal(3, select(2, out:gsub("%f[%w]2\n", "")), out)
    assert.are.equal("1.0", read(folder .. "/once.xdf").version)
    for _, name in ipairs(shell.names(folder)) do
      assert.is_nil(name:find "%.part$", name)
    end
  end)
end)
