-- A stimulator that obeys a stop and cannot say so (a Pulse Pal): what the stop may have cut is not called
-- given, and what may come all the same is not called ended: not in the record, the dose or the next arming.
local cjson = require "cjson"
local records = require "moonpulse.record"
local shell = require "shell"

local MS = 1000000

--- The rows of a record that told(record) was told, on a device whose single pulses last over seconds.
local function rows_of(over, told, driver)
  local record, text = records.in_memory()
  record:set_actions({ { channel = "1", mso = 40, intensity = 40, reference = "MSO", over = over } },
    driver or { confirms = false, proves_end = false })
  record:start(1000000 * MS)
  told(record)
  record:stopped(true)
  record:close()
  local rows = {}
  for line in text():gmatch("[^\n]+") do
    rows[#rows + 1] = line:match("\t(%a+_?%a*)" .. ("\t[^\t]*"):rep(5) .. "$")
  end
  return table.concat(rows, " ", 2), record
end

--- Pulses sent at these milliseconds, each told at once; then the next is due.
local function pulses(record, at_ms, next_ms)
  for i, ms in ipairs(at_ms) do
    record:pulse(i, ms * MS, ms * MS, 0, 1, 1000000 * MS + ms * MS)
    record:advance((at_ms[i + 1] or next_ms or ms) * MS)
  end
end

describe("the record of a device that confirms nothing", function()
  it("says perhaps_sent of the pulse that was not over when the stop came", function()
    for _, case in ipairs { { 20, "sent perhaps_sent" }, { 20.5, "sent perhaps_sent" },
      { 21.9, "sent perhaps_sent" }, { 22.1, "sent sent" }, { 900, "sent sent" } } do
      assert.are.equal(case[2], (rows_of(0.002, function(record)
        pulses(record, { 0, 20 })
        record:halt(1000000 * MS + math.floor(case[1] * MS))
      end)), case[1])
    end
  end)

  it("does so where the next one was left out at the same time, and in a row of short intervals", function()
    local rows, record = rows_of(0.002, function(of)
      pulses(of, { 0, 1, 2 }, 3)
      of:skipped(4, 3 * MS, 5 * MS, 1, "late")
      of:halt(1000000 * MS + math.floor(2.9 * MS))
    end)
    assert.are.equal("sent perhaps_sent perhaps_sent late", rows)
    assert.are.equal(3, record.pulses_sent) -- each left; the dose is what may have come
  end)

  it("says sent where a pulse has no length: its edge was the command", function()
    assert.are.equal("sent sent", (rows_of(nil, function(record)
      pulses(record, { 0, 20 })
      record:halt(1000000 * MS + 20 * MS)
    end)))
  end)

  it("leaves those alone that a device confirms", function()
    assert.are.equal("delivered sent", (rows_of(0.002, function(record)
      record:pulse(1, 0, 0, 0, 1, 1000000 * MS)
      record:confirm(1 * MS, "yes") -- before the second was sent: it is the first one's
      record:pulse(2, 20 * MS, 20 * MS, 0, 1, 1000020 * MS)
      record:halt(1000000 * MS + 20 * MS)
    end, { confirms = true })))
  end)
end)

describe("a train that was cut on a Pulse Pal", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("counts whole in the run's dose, and the next arming waits until it would have ended", function()
    shell.write(folder .. "/lab.lua", "return { name = 'Lab', pulses_per_session = 50 }")
    shell.write(folder .. "/cut.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        local function train(n) return mp.train { pulses = n, hz = 10, intensity = mp.mso(40) } end
        stim:arm(train(30))
        local began
        run:spawn(function()
          began = run:now()
          pcall(stim.play, stim, train(30))
        end)
        run:sleep(1)
        run:stop()
        stim:arm(train(21))
        print("armed", run:now() - began)
        stim:play(train(21))
      end)]])
    local status, out, err = shell.moonpulse(folder, ("run %s/cut.lua --lab %s/lab.lua --device sim:pulsepal "
      .. "--device-option full_scale_volts=10 --timing device --speed max --beyond-guidelines test "
      .. "--approval none --out %s/runs"):format(folder, folder, folder))
    assert.are.equal(0, status, err)
    assert.matches("OVER: pulses a session: 51 pulses", out, 1, true)
    assert.is_true(tonumber(out:match("armed\t(%S+)")) >= 2.9, out)
    local path = folder .. "/runs/" .. shell.names(folder .. "/runs")[1]
    local rows, perhaps = 0, 0
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      rows = rows + (row.event == "pulse" and 1 or 0)
      perhaps = perhaps + (row.status == "perhaps_sent" and 1 or 0)
    end
    assert.are.equal(51, rows)
    assert.is_true(perhaps > 0)
    assert.are.equal(51, cjson.decode((shell.read(path .. "/manifest.json"))).result.pulses_sent)
  end)
end)
