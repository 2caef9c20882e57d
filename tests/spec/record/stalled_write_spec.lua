-- Writes that stall, or that the port does not take: the run that is going on and recover say the same.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("a write", function()
  local folder, job, sim

  before_each(function() folder, job, sim = shell.folder(), nil, nil end)
  after_each(function()
    for _, each in pairs { job, sim } do
      each:kill()
    end
    shell.remove(folder)
  end)

  local function protocol(text)
    shell.write(folder .. "/made.lua", ('local mp = require "moonpulse"\nreturn mp.protocol { id = "made", '
      .. 'name = "Made", plan = function()\n  return %s end }\n'):format(text))
  end

  local function record()
    return fixture.run_in(folder .. "/runs")
  end

  --- The rows of the run; recover, as if it had been killed at its very end, must write the same.
  local function same_rows()
    local path, copy = record(), folder .. "/copy"
    assert(os.execute(("cp -r %s %s"):format(shell.quote(path), shell.quote(copy))))
    local manifest = cjson.decode(shell.read(copy .. "/manifest.json"))
    manifest.status, manifest.result = "running", nil
    shell.write(copy .. "/manifest.json", cjson.encode(manifest))
    os.remove(copy .. "/events.tsv")
    local status, out, err = shell.moonpulse(folder, "recover " .. copy)
    assert.are.equal(0, status, out .. err)
    assert.are.equal(shell.read(path .. "/events.tsv"), shell.read(copy .. "/events.tsv"))
    return shell.rows(path .. "/events.tsv")
  end

  for _, late in ipairs { "skip", "abort" } do
    it(("that stalled past the tolerance is the same in both, --late %s"):format(late), function()
      -- 0.01 ms: hardly a write ends as soon as that
      protocol "mp.train { pulses = 20, hz = 20, intensity = mp.mso(40) } .. mp.mark 'end'"
      local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --timing host --tolerance 0.01 "
        .. "--late %s --out %s/runs"):format(folder, late, folder))
      if late == "abort" then -- in the write, or before it
        assert.are.equal(5, status)
        assert.matches("pulse %d+ would have left [%d.]+ %a+ late %(limit 10 us%) after %d+ of 20 pulses",
          (err:gsub("left up to", "would have left")))
      else
        assert.are.equal(0, status, err)
      end
      local rows, stalled = same_rows(), 0
      for _, row in ipairs(rows) do
        stalled = stalled + ((tonumber(row.lateness_us) or 0) > 10 and 1 or 0)
      end
      assert.is_true(stalled > 0)
    end)
  end

  --- The kernel hands on what it holds when it has time, which makes room again: filled until the run ends.
  local function fill(box)
    for _ = 1, 200 do
      for _, bytes in ipairs { 1024, 1 } do
        os.execute(("dd if=/dev/zero of=%s bs=%d oflag=nonblock 2>/dev/null"):format(box:path(), bytes))
      end
      os.execute "sleep 0.05"
      if job:ended() then
        break
      end
    end
  end

  it("that a stop throws away with what the port still held is not called sent", function()
    protocol "mp.rest(3) .. mp.train { pulses = 10, hz = 20, intensity = mp.mso(40) }"
    local came = {}
    local box = assert(core.pty(nil, function(bytes) came[#came + 1] = bytes end))
    sim = shell.start(folder, "sim", ("sim magventure --link %s/port"):format(folder))
    sim:says "simulated "
    job = shell.start(folder, "job", ("run %s/made.lua --out %s/runs --tolerance 500 --late skip "
      .. "--device magventure --port %s/port --trigger %s:byte=1"):format(folder, folder, folder, box:path()))
    job:says "timing"
    -- more than a far end takes that does not read: what comes behind it stays on this side
    os.execute(("dd if=/dev/zero of=%s bs=1000 count=5 2>/dev/null"):format(box:path()))
    while not job:ended() do
      os.execute "sleep 0.1"
    end
    assert.are.equal(4, job:wait())
    assert.matches("pulse 1 was not confirmed within", job:err(), 1, true)
    core.wait(0.2)
    box:close()
    local _, arrived = table.concat(came):gsub("\1", "")
    local sent, perhaps, rows = 0, 0, same_rows()
    for _, row in ipairs(rows) do
      sent = sent + (row.status == "sent" and 1 or 0)
      perhaps = perhaps + (row.status == "perhaps_sent" and 1 or 0)
    end
    assert.is_true(sent <= arrived, ("%d sent, %d arrived"):format(sent, arrived))
    assert.is_true(perhaps > 0, perhaps)
    assert.matches(("note%%s+%d pulses? perhaps never left"):format(perhaps), job:out())
    local result = cjson.decode(shell.read(record() .. "/manifest.json")).result
    assert.are.equal(sent + perhaps, result.pulses_sent) -- the dose is what may have come
    assert.are.equal(core.file_sum(record() .. "/events.tsv"), result.events_sum)
  end)

  it("that the port does not take is no pulse, in the run and from the flight record", function()
    protocol "mp.rest(3) .. mp.train { pulses = 10, hz = 5, intensity = mp.mso(40) }"
    local box = assert(core.pty(nil, function() end)) -- read only while this process waits in core
    sim = shell.start(folder, "sim", ("sim magventure --link %s/port"):format(folder))
    sim:says "simulated "
    job = shell.start(folder, "job", ("run %s/made.lua --out %s/runs --tolerance 500 --late skip "
      .. "--device magventure --port %s/port --trigger %s:byte=1"):format(folder, folder, folder, box:path()))
    job:says "timing"
    fill(box)
    assert.are.equal(4, job:wait())
    assert.matches("the port does not take bytes after 0 of 10 pulses", job:err(), 1, true)
    local rows = same_rows()
    assert.are.same({ "1", "not_taken" }, { rows[#rows].pulse, rows[#rows].status })
    assert.are.equal(0, cjson.decode(shell.read(record() .. "/manifest.json")).result.pulses_sent)
    box:close()
  end)
end)
