-- A disk that fills up: the run goes on, the record can be made whole, nothing claims that it is.
local cjson = require "cjson"
local records = require "moonpulse.record"
local shell = require "shell"

describe("a full disk", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  it("is noticed by the record", function()
    local full = io.open("/dev/full", "w")
    if not full then
      return pending "this machine has no /dev/full"
    end
    local record = assert(records.create(folder .. "/runs", "made"))
    record.file:close()
    record.file = full
    record:sync()
    assert.is_nil(record.lost)
    record:event("mark", 0, nil, "passed", "one")
    record:advance(1)
    record:sync()
    assert.matches("events.tsv: No space left on device", record.lost, 1, true)
  end)

  it("leaves the manifest that is there, and says where", function()
    local record = assert(records.create(folder .. "/runs", "made"))
    record:manifest { status = "running" }
    assert(os.execute(("mkdir -p %s/manifest.json.new/x"):format(shell.quote(record.folder)))) -- in the way
    local ok, problem = pcall(record.manifest, record, { status = "completed" })
    assert.is_false(ok)
    assert.are.equal("limit", problem.code)
    assert.matches("cannot write .*/manifest.json: .*name another folder with %-%-out DIR", problem.message)
    assert.are.equal("running", cjson.decode(shell.read(record.folder .. "/manifest.json")).status)
  end)

  it("in the middle of a run costs no row: recover writes them", function()
    if not os.execute("unshare -Urm sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null") then
      return pending "no file system can be mounted here"
    end
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 50, hz = 10, intensity = mp.mso(40) } end }]])
    shell.write(folder .. "/full.sh", ([[
      mkdir -p disk && mount -t tmpfs -o size=400k tmpfs disk || exit 99
      (while ! grep -q pulse disk/runs/*/twin.tsv; do sleep 0.05; done
       dd if=/dev/zero of=disk/fill bs=4k; :) 2>/dev/null &
      %s run made.lua --timing host --tolerance 200 --beyond-guidelines test --approval none --out disk/runs
      echo "status $?"
      wait; rm disk/fill
      grep -o '"status":"running"' disk/runs/*/manifest.json
      %s recover disk/runs/* && cp disk/runs/*/* .
    ]]):format(shell.program:gsub("^build", "$OLDPWD/build"), shell.program:gsub("^build", "$OLDPWD/build")))
    local _, out, err = shell.sh(folder, ("cd %s && unshare -Urm sh full.sh"):format(shell.quote(folder)))
    assert.matches("status 5\n\"status\":\"running\"", out)
    assert.matches("the record is not whole: .*events.tsv: No space left on device; make room, then: "
      .. "moonpulse recover disk/runs/", err)
    local rows = shell.rows(folder .. "/events.tsv")
    assert.are.equal(50, #rows)
    for i, row in ipairs(rows) do
      assert.are.same({ tostring(i), "delivered" }, { row.pulse, row.status })
    end
    assert.are.equal("interrupted", cjson.decode(shell.read(folder .. "/manifest.json")).status)
  end)
end)
