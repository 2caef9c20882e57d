#include "engine/port.h"

#include <libserialport.h>

enum mp_status mp_port_list(void (*visit)(void *context, const struct mp_port_info *info),
                            void *context, struct mp_error *err)
{
    struct sp_port **ports = NULL;
    enum sp_return result = sp_list_ports(&ports);
    if (result == SP_ERR_MEM)
        return mp_fail(err, MP_ENOMEM, "out of memory listing the serial ports");
    if (result != SP_OK)
        return mp_fail_sys(err, MP_EIO, sp_last_error_code(), "cannot list the serial ports");
    for (size_t i = 0; ports[i] != NULL; i++) {
        struct mp_port_info info = {
            .path = sp_get_port_name(ports[i]),
            .description = sp_get_port_description(ports[i]),
            .manufacturer = sp_get_port_usb_manufacturer(ports[i]),
            .usb_serial = sp_get_port_usb_serial(ports[i]),
        };
        if (sp_get_port_usb_vid_pid(ports[i], &info.usb_vendor, &info.usb_product) != SP_OK)
            info.usb_vendor = info.usb_product = -1;
        visit(context, &info);
    }
    sp_free_port_list(ports);
    return MP_OK;
}
